#include "base/metrics.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace npcchat {
namespace {

using Loops = std::span<const Metrics* const>;

template <class Get>
void single(PrometheusText& out, Loops loops, std::string_view name, std::string_view type,
            std::string_view help, Get get) {
    out.describe(name, type, help);
    out.sample(name, "", sum_over(loops, get));
}

template <class Get> auto latencies(Loops loops, Get get) {
    return loops | std::views::transform(
                       [get](const Metrics* loop) -> const LatencyHistogram* { return &get(*loop); });
}

bool was_used(Loops loops, std::size_t route) {
    return std::ranges::any_of(loops, [route](const Metrics* loop) {
        return std::ranges::any_of(loop->routes[route].by_class,
                                   [](const Counter& c) { return c.load() != 0; });
    });
}

void write_routes(PrometheusText& out, Loops loops, std::span<const RouteName> names) {
    const auto labels_of = [&](std::size_t route) {
        const RouteName name = route < names.size() ? names[route] : RouteName{"other", "other"};
        return fmt::format("route=\"{}\",method=\"{}\"", name.pattern, name.method);
    };
    constexpr std::string_view kRequests = "npcchat_requests_total";
    out.describe(kRequests, "counter", "Requests answered, by route and status class.");
    for (std::size_t route = 0; route < kMaxRoutes; ++route) {
        for (std::size_t status = 1; status < 6; ++status) {
            const auto count = sum_over(
                loops, [=](const Metrics& m) -> const Counter& { return m.routes[route].by_class[status]; });
            if (count == 0) continue;
            out.sample(kRequests, fmt::format("{},status=\"{}xx\"", labels_of(route), status), count);
        }
    }
    constexpr std::string_view kDuration = "npcchat_request_duration_seconds";
    out.describe(kDuration, "histogram", "Time to answer, by route.");
    for (std::size_t route = 0; route < kMaxRoutes; ++route) {
        if (!was_used(loops, route)) continue;
        out.histogram(kDuration, labels_of(route),
                      latencies(loops, [=](const Metrics& m) -> const LatencyHistogram& {
                          return m.routes[route].duration;
                      }));
    }
}

using StoreOf = const StoreMetrics* Metrics::*;

std::vector<const StoreMetrics*> stores_of(Loops loops, StoreOf store) {
    std::vector<const StoreMetrics*> used;
    for (const Metrics* loop : loops) {
        if (loop->*store) used.push_back(loop->*store);
    }
    return used;
}

void write_stores(PrometheusText& out, Loops loops) {
    static constexpr std::array<std::pair<std::string_view, StoreOf>, 2> kStores = {
        {{"store=\"redis\"", &Metrics::redis}, {"store=\"database\"", &Metrics::database}}};
    constexpr std::string_view kDuration = "npcchat_store_duration_seconds";
    out.describe(kDuration, "histogram",
                 "Time of commands to Redis and of batches of the database, waiting included.");
    for (const auto& [labels, store] : kStores) {
        const auto used = stores_of(loops, store);
        if (used.empty()) continue;
        out.histogram(kDuration, labels,
                      used | std::views::transform([](const StoreMetrics* one) { return &one->duration; }));
    }
    constexpr std::string_view kInFlight = "npcchat_store_in_flight";
    out.describe(kInFlight, "gauge", "Commands and batches that wait or run now.");
    for (const auto& [labels, store] : kStores) {
        std::int64_t in_flight = 0;
        for (const StoreMetrics* one : stores_of(loops, store))
            in_flight += one->in_flight.load(std::memory_order_relaxed);
        out.sample(kInFlight, labels, in_flight);
    }
}

} // namespace

void write_metrics(PrometheusText& out, Loops loops, std::span<const RouteName> names) {
    write_routes(out, loops, names);
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
    std::vector<const ModelMetrics*> models;
    for (const Metrics* loop : loops)
        models.push_back(&loop->models);
    ModelMetrics::write(out, models);
    write_stores(out, loops);
    for (const Metrics* loop : loops) {
        if (loop->archive) loop->archive->write(out);
    }
}

} // namespace npcchat
