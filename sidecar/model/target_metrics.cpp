#include "model/target_metrics.hpp"

#include "base/json.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

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

template <class Get>
void each(PrometheusText& out, const std::vector<Line>& lines, std::string_view name, std::string_view type,
          std::string_view help, Get get) {
    out.describe(name, type, help);
    for (const Line& line : lines)
        out.sample(name, line.labels, get(line.report));
}

} // namespace

void write_target_metrics(PrometheusText& out, const ModelTable& table) {
    using Report = TargetState::Report;
    const std::vector<Line> lines = lines_of(table);
    each(out, lines, "npcchat_model_target_state", "gauge", "Circuit breaker: 0 closed, 1 open, 2 half open.",
         [](const Report& report) { return static_cast<int>(report.breaker); });
    each(out, lines, "npcchat_model_target_in_flight", "gauge", "Calls under way at a target.",
         [](const Report& report) { return report.in_flight; });
    each(out, lines, "npcchat_model_target_answers_total", "counter", "Calls that a target answered.",
         [](const Report& report) { return report.answered; });
    constexpr std::string_view kFailures = "npcchat_model_target_failures_total";
    out.describe(kFailures, "counter", "Calls that failed at a target, by kind.");
    for (const Line& line : lines) {
        for (std::size_t kind = 0; kind < kCallFailures; ++kind) {
            if (line.report.failed[kind] == 0) continue;
            out.sample(kFailures, fmt::format("{},kind=\"{}\"", line.labels, kFailureNames[kind]),
                       line.report.failed[kind]);
        }
    }
    constexpr std::string_view kWaiting = "npcchat_model_queue_length";
    out.describe(kWaiting, "gauge", "Calls that wait for a place at a model's targets.");
    for (const Model& model : table.all()) {
        out.sample(kWaiting, "model=" + json_string(model.name), model.pool->queue().size());
    }
}

} // namespace npcchat
