#include "model/target_metrics.hpp"

#include "base/json.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

using Out = std::back_insert_iterator<std::string>;

// By CallFailure.
constexpr std::array<std::string_view, kCallFailures> kFailureNames = {
    "unreachable",  "timed_out", "broken",     "busy",
    "server_error", "unusable",  "not_served", "refused_request"};

struct Line {
    std::string labels; // without braces
    TargetState::Report report;
};

// Prometheus escapes label values as JSON does strings, of characters that stand in names and URLs.
std::vector<Line> lines_of(const ModelTable& table) {
    std::vector<Line> lines;
    const auto now = TargetState::Clock::now();
    for (const Model& model : table.all()) {
        for (std::size_t i = 0; i < model.targets.size(); ++i) {
            lines.push_back({fmt::format("model={},target=\"{}\",endpoint={}", json_string(model.name), i,
                                         json_string(model.targets[i].base_url)),
                             model.pool->targets()[i].state->report(now)});
        }
    }
    return lines;
}

void describe(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(Out(out), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class Get>
void each(std::string& out, const std::vector<Line>& lines, std::string_view name, std::string_view type,
          std::string_view help, Get get) {
    describe(out, name, type, help);
    for (const Line& line : lines)
        fmt::format_to(Out(out), "{}{{{}}} {}\n", name, line.labels, get(line.report));
}

} // namespace

std::string target_metrics_text(const ModelTable& table) {
    using Report = TargetState::Report;
    std::string out;
    const std::vector<Line> lines = lines_of(table);
    each(out, lines, "npcchat_model_target_state", "gauge", "Circuit breaker: 0 closed, 1 open, 2 half open.",
         [](const Report& report) { return static_cast<int>(report.breaker); });
    each(out, lines, "npcchat_model_target_in_flight", "gauge", "Calls under way at a target.",
         [](const Report& report) { return report.in_flight; });
    each(out, lines, "npcchat_model_target_answers_total", "counter", "Calls that a target answered.",
         [](const Report& report) { return report.answered; });
    constexpr std::string_view kFailures = "npcchat_model_target_failures_total";
    describe(out, kFailures, "counter", "Calls that failed at a target, by kind.");
    for (const Line& line : lines) {
        for (std::size_t kind = 0; kind < kCallFailures; ++kind) {
            if (line.report.failed[kind] == 0) continue;
            fmt::format_to(Out(out), "{}{{{},kind=\"{}\"}} {}\n", kFailures, line.labels, kFailureNames[kind],
                           line.report.failed[kind]);
        }
    }
    constexpr std::string_view kWaiting = "npcchat_model_queue_length";
    describe(out, kWaiting, "gauge", "Calls that wait for a place at a model's targets.");
    for (const Model& model : table.all()) {
        fmt::format_to(Out(out), "{}{{model={}}} {}\n", kWaiting, json_string(model.name),
                       model.pool->queue().size());
    }
    return out;
}

} // namespace npcchat
