// Histograms of times, in memory that several processes may add to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace npcchat {

/// Adds to a counter that is shared between processes; its order with other counters does not matter.
inline void add(std::uint64_t& counter, std::uint64_t n = 1) noexcept {
    __atomic_fetch_add(&counter, n, __ATOMIC_RELAXED);
}

inline std::uint64_t load(const std::uint64_t& counter) noexcept {
    return __atomic_load_n(&counter, __ATOMIC_RELAXED);
}

struct HistogramBound {
    std::uint64_t milliseconds;
    std::string_view seconds; ///< as Prometheus writes it
};

/// From a small file to the longest that a model may take. nginx's clock has milliseconds.
inline constexpr std::array<HistogramBound, 15> histogram_bounds = {{
    {1, "0.001"},
    {2, "0.002"},
    {5, "0.005"},
    {10, "0.01"},
    {25, "0.025"},
    {50, "0.05"},
    {100, "0.1"},
    {250, "0.25"},
    {500, "0.5"},
    {1000, "1"},
    {2500, "2.5"},
    {5000, "5"},
    {10000, "10"},
    {30000, "30"},
    {120000, "120"},
}};

/// The bucket that a time belongs to; the last one has all that is above the bounds.
constexpr std::size_t histogram_bucket(std::uint64_t milliseconds) noexcept {
    std::size_t i = 0;
    while (i < histogram_bounds.size() && milliseconds > histogram_bounds[i].milliseconds)
        ++i;
    return i;
}

struct Histogram {
    std::uint64_t buckets[histogram_bounds.size() + 1];
    std::uint64_t sum; ///< milliseconds

    void observe(std::uint64_t milliseconds) noexcept {
        add(buckets[histogram_bucket(milliseconds)]);
        if (milliseconds != 0) add(sum, milliseconds);
    }
};

} // namespace npcchat
