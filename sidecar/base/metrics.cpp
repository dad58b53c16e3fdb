#include "base/metrics.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

using Loops = std::span<const Metrics* const>;
using Out = std::back_insert_iterator<std::string>;

void describe(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(Out(out), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class Get>
void histogram(std::string& out, Loops loops, std::string_view name, std::string_view label, Get get) {
    std::int64_t count = 0;
    for (std::size_t i = 0; i <= kLatencyBounds.size(); ++i) {
        count += sum_over(loops, [&](const Metrics& m) -> const Counter& { return get(m).buckets[i]; });
        const std::string bound = i < kLatencyBounds.size() ? fmt::format("{}", kLatencyBounds[i]) : "+Inf";
        fmt::format_to(Out(out), "{}_bucket{{{}{}le=\"{}\"}} {}\n", name, label, label.empty() ? "" : ",",
                       bound, count);
    }
    double sum = 0;
    for (const Metrics* loop : loops)
        sum += get(*loop).sum.load(std::memory_order_relaxed);
    const std::string braces = label.empty() ? "" : fmt::format("{{{}}}", label);
    fmt::format_to(Out(out), "{}_sum{} {}\n{}_count{} {}\n", name, braces, sum, name, braces, count);
}

template <class Get>
void single(std::string& out, Loops loops, std::string_view name, std::string_view type,
            std::string_view help, Get get) {
    describe(out, name, type, help);
    fmt::format_to(Out(out), "{} {}\n", name, sum_over(loops, get));
}

bool was_used(Loops loops, std::size_t route) {
    return std::ranges::any_of(loops, [route](const Metrics* loop) {
        return std::ranges::any_of(loop->routes[route].by_class,
                                   [](const Counter& c) { return c.load() != 0; });
    });
}

} // namespace

void Histogram::observe(double seconds) {
    const auto bucket = std::ranges::lower_bound(kLatencyBounds, seconds) - kLatencyBounds.begin();
    add(buckets[static_cast<std::size_t>(bucket)]);
    sum.fetch_add(seconds, std::memory_order_relaxed);
}

std::string prometheus_text(Loops loops, std::span<const RouteName> names) {
    const auto labels_of = [&](std::size_t route) {
        const RouteName name = route < names.size() ? names[route] : RouteName{"other", "other"};
        return fmt::format("route=\"{}\",method=\"{}\"", name.pattern, name.method);
    };
    std::string out;
    describe(out, "npcchat_requests_total", "counter", "Requests answered, by route and status class.");
    for (std::size_t route = 0; route < kMaxRoutes; ++route) {
        for (std::size_t status = 1; status < 6; ++status) {
            const auto count = sum_over(
                loops, [=](const Metrics& m) -> const Counter& { return m.routes[route].by_class[status]; });
            if (count == 0) continue;
            fmt::format_to(Out(out), "npcchat_requests_total{{{},status=\"{}xx\"}} {}\n", labels_of(route),
                           status, count);
        }
    }
    describe(out, "npcchat_request_duration_seconds", "histogram", "Time to answer, by route.");
    for (std::size_t route = 0; route < kMaxRoutes; ++route) {
        if (!was_used(loops, route)) continue;
        histogram(out, loops, "npcchat_request_duration_seconds", labels_of(route),
                  [=](const Metrics& m) -> const Histogram& { return m.routes[route].duration; });
    }
    single(out, loops, "npcchat_requests_in_flight", "gauge", "Requests being answered now.",
           [](const Metrics& m) -> const Counter& { return m.in_flight; });
    single(out, loops, "npcchat_tokens_in_total", "counter", "Tokens sent to models.",
           [](const Metrics& m) -> const Counter& { return m.tokens_in; });
    single(out, loops, "npcchat_tokens_out_total", "counter", "Tokens that models answered with.",
           [](const Metrics& m) -> const Counter& { return m.tokens_out; });
    single(out, loops, "npcchat_model_calls_total", "counter", "Calls to model endpoints.",
           [](const Metrics& m) -> const Counter& { return m.model_calls; });
    single(out, loops, "npcchat_model_failures_total", "counter", "Calls to model endpoints that failed.",
           [](const Metrics& m) -> const Counter& { return m.model_failures; });
    describe(out, "npcchat_model_duration_seconds", "histogram", "Time of calls to model endpoints.");
    histogram(out, loops, "npcchat_model_duration_seconds", "",
              [](const Metrics& m) -> const Histogram& { return m.model_duration; });
    return out;
}

} // namespace npcchat
