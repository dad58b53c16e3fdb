// Text that Prometheus reads: its exposition format 0.0.4,
// https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include "base/histogram.hpp"

#include <fmt/format.h>
#include <ranges>
#include <string>
#include <string_view>

namespace npcchat {

class PrometheusText {
  public:
    // Comes before the samples of a name. `type`: "counter", "gauge" or "histogram".
    void describe(std::string_view name, std::string_view type, std::string_view help);

    // `labels` without braces, escaped; may be empty.
    template <class Number> void sample(std::string_view name, std::string_view labels, Number number) {
        text_ += name;
        if (!labels.empty()) text_.append("{").append(labels).append("}");
        fmt::format_to(std::back_inserter(text_), " {}\n", number);
    }

    // Some histograms as one: a range of pointers to them.
    template <std::ranges::forward_range Parts>
    void histogram(std::string_view name, std::string_view labels, const Parts& parts) {
        constexpr const auto& bounds = std::remove_cvref_t<decltype(**std::ranges::begin(parts))>::bounds;
        std::int64_t count = 0;
        double sum = 0;
        for (std::size_t i = 0; i <= bounds.size(); ++i) {
            for (const auto* part : parts)
                count += part->buckets[i].load(std::memory_order_relaxed);
            bucket(name, labels, i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf", count);
        }
        for (const auto* part : parts)
            sum += part->sum.load(std::memory_order_relaxed);
        sample(std::string(name) + "_sum", labels, sum);
        sample(std::string(name) + "_count", labels, count);
    }

    std::string take() { return std::move(text_); }

  private:
    void bucket(std::string_view name, std::string_view labels, std::string_view bound, std::int64_t count);

    std::string text_;
};

} // namespace npcchat
