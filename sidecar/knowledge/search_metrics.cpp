#include "knowledge/search_metrics.hpp"

namespace npcchat {

void write_search_metrics(PrometheusText& out, const SearchMetrics& words, const SearchMetrics& vectors) {
    constexpr std::string_view kDuration = "npcchat_search_duration_seconds";
    out.describe(
        kDuration, "histogram",
        "Time of searches in documents, in memory; waiting for the thread that does those in many included.");
    for (const auto& [by, metrics] : {std::pair("words", &words), std::pair("vectors", &vectors)}) {
        out.histogram(kDuration, fmt::format("by=\"{}\",chunks=\"few\"", by), std::array{&metrics->few});
        out.histogram(kDuration, fmt::format("by=\"{}\",chunks=\"many\"", by), std::array{&metrics->many});
    }
}

} // namespace npcchat
