// Counters and histograms of one event loop. Each loop has its own, so that counting never waits; a scrape
// adds them up.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace npcchat {

using Counter = std::atomic<std::int64_t>;

inline void add(Counter& counter, std::int64_t amount = 1) {
    counter.fetch_add(amount, std::memory_order_relaxed);
}

// Prometheus' histogram: `Bounds` are the upper bounds of its buckets, rising; a last one takes the rest.
template <const auto& Bounds> struct Histogram {
    static constexpr const auto& bounds = Bounds;
    std::array<Counter, Bounds.size() + 1> buckets{};
    std::atomic<double> sum{0};

    void observe(double value) {
        add(buckets[static_cast<std::size_t>(std::ranges::lower_bound(Bounds, value) - Bounds.begin())]);
        sum.fetch_add(value, std::memory_order_relaxed);
    }
};

// In seconds.
inline constexpr std::array kLatencyBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                              0.25,  0.5,    1.0,   2.5,  5.0,   10.0, 30.0};
using LatencyHistogram = Histogram<kLatencyBounds>;

} // namespace npcchat
