// How long searches in the memory of scopes take.
#pragma once

#include "base/histogram.hpp"
#include "base/prometheus.hpp"

#include <chrono>

namespace npcchat {

// In seconds; close to each other around five milliseconds, which a search may take.
inline constexpr std::array kSearchBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004,
                                             0.005,  0.0075,  0.01,   0.025, 0.05,   0.1,   0.25,  1.0};
using SearchHistogram = Histogram<kSearchBounds>;

// Few chunks are searched on the event loop, many by a thread. For any number of threads.
struct SearchMetrics {
    SearchHistogram few;
    SearchHistogram many;
};

// One search, from its making to its end: waiting for the thread that does it is included.
class SearchTime {
  public:
    explicit SearchTime(SearchHistogram& histogram) : histogram_(histogram) {}
    ~SearchTime() {
        histogram_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count());
    }
    SearchTime(const SearchTime&) = delete;
    SearchTime& operator=(const SearchTime&) = delete;

  private:
    SearchHistogram& histogram_;
    const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

void write_search_metrics(PrometheusText& out, const SearchMetrics& words, const SearchMetrics& vectors);

} // namespace npcchat
