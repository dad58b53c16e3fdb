// Statuses as metrics tell them apart: the usual ones by code, all others by class.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace npcchat {

/// The first one is for requests that ended without an answer, the next five for what the rest does not name:
/// `status=~"4.."` finds "404" and "4xx".
inline constexpr std::array<std::string_view, 28> status_labels = {
    "none", "1xx", "2xx", "3xx", "4xx", "5xx", "200", "201", "204", "206", "301", "302", "304", "400",
    "401",  "403", "404", "405", "408", "409", "413", "422", "429", "499", "500", "502", "503", "504"};

namespace detail {

consteval std::array<std::uint8_t, 600> make_status_indices() {
    std::array<std::uint8_t, 600> indices = {};
    for (std::size_t status = 100; status < indices.size(); ++status)
        indices[status] = static_cast<std::uint8_t>(status / 100);
    for (std::size_t i = 6; i < status_labels.size(); ++i) {
        std::string_view code = status_labels[i];
        auto digit = [code](std::size_t at) { return static_cast<std::size_t>(code[at] - '0'); };
        indices[digit(0) * 100 + digit(1) * 10 + digit(2)] = static_cast<std::uint8_t>(i);
    }
    return indices;
}

inline constexpr auto status_indices = make_status_indices();

} // namespace detail

/// The place of a status among the labels.
constexpr std::size_t status_index(std::size_t status) noexcept {
    return status < detail::status_indices.size() ? detail::status_indices[status] : 0;
}

/// 1 to 5, or 0 for a request without an answer.
constexpr std::size_t status_class(std::size_t index) noexcept {
    char first = status_labels[index][0];
    return first >= '1' && first <= '5' ? static_cast<std::size_t>(first - '0') : 0;
}

} // namespace npcchat
