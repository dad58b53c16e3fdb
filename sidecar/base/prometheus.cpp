#include "base/prometheus.hpp"

namespace npcchat {

void PrometheusText::describe(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void PrometheusText::bucket(std::string_view name, std::string_view labels, std::string_view bound,
                            std::int64_t count) {
    fmt::format_to(std::back_inserter(text_), "{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels,
                   labels.empty() ? "" : ",", bound, count);
}

} // namespace npcchat
