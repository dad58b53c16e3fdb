// What one event loop counts.
#pragma once

#include "base/archive_metrics.hpp"
#include "base/histogram.hpp"
#include "base/model_metrics.hpp"
#include "base/store_metrics.hpp"

#include <span>
#include <string>
#include <string_view>

namespace npcchat {

inline constexpr std::size_t kMaxRoutes = 64; // the last one counts what fits no route

struct RouteMetrics {
    std::array<Counter, 6> by_class{}; // [2]: 200 to 299, and so on
    LatencyHistogram duration;
};

struct Metrics {
    std::array<RouteMetrics, kMaxRoutes> routes;
    Counter in_flight{0};
    Counter tokens_in{0};
    Counter tokens_out{0};
    Counter model_calls{0};
    Counter model_failures{0};
    ModelMetrics models;
    const StoreMetrics* redis = nullptr; // null: not used
    const StoreMetrics* database = nullptr;
    const ArchiveMetrics* archive = nullptr; // null but for the loop that archives
};

struct RouteName {
    std::string_view method;
    std::string_view pattern;
};

// What all loops together have counted. `names[i]` names routes[i]; the rest is "other".
void write_metrics(PrometheusText& out, std::span<const Metrics* const> loops,
                   std::span<const RouteName> names);

// The sum of one counter over all loops.
template <class Get> std::int64_t sum_over(std::span<const Metrics* const> loops, Get get) {
    std::int64_t sum = 0;
    for (const Metrics* loop : loops)
        sum += get(*loop).load(std::memory_order_relaxed);
    return sum;
}

} // namespace npcchat
