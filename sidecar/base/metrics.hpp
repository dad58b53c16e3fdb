// Counters of one event loop. Each loop has its own, so that counting never waits; a scrape adds them up.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace npcchat {

using Counter = std::atomic<std::int64_t>;

inline void add(Counter& counter, std::int64_t amount = 1) {
    counter.fetch_add(amount, std::memory_order_relaxed);
}

// Upper bounds of the latency buckets, in seconds; a last one takes the rest.
inline constexpr std::array kLatencyBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                              0.25,  0.5,    1.0,   2.5,  5.0,   10.0, 30.0};

struct Histogram {
    std::array<Counter, kLatencyBounds.size() + 1> buckets{};
    std::atomic<double> sum{0};
    void observe(double seconds);
};

inline constexpr std::size_t kMaxRoutes = 64; // the last one counts what fits no route

struct RouteMetrics {
    std::array<Counter, 6> by_class{}; // [2]: 200 to 299, and so on
    Histogram duration;
};

struct Metrics {
    std::array<RouteMetrics, kMaxRoutes> routes;
    Counter in_flight{0};
    Counter tokens_in{0};
    Counter tokens_out{0};
    Counter model_calls{0};
    Counter model_failures{0};
    Histogram model_duration;
};

struct RouteName {
    std::string_view method;
    std::string_view pattern;
};

// Prometheus text (exposition format 0.0.4) of all loops together. `names[i]` names routes[i]; the rest is
// "other".
std::string prometheus_text(std::span<const Metrics* const> loops, std::span<const RouteName> names);

// The sum of one counter over all loops.
template <class Get> std::int64_t sum_over(std::span<const Metrics* const> loops, Get get) {
    std::int64_t sum = 0;
    for (const Metrics* loop : loops)
        sum += get(*loop).load(std::memory_order_relaxed);
    return sum;
}

} // namespace npcchat
