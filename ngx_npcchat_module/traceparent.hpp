// The traceparent header of W3C Trace Context (https://www.w3.org/TR/trace-context/).
#pragma once

#include "common/slice.hpp"

#include <cstddef>
#include <string_view>

namespace npcchat {

inline constexpr std::string_view traceparent_header = "traceparent";
inline constexpr std::string_view tracestate_header = "tracestate";

/// Of the version that is made here, `00-<trace id>-<parent id>-<flags>`.
inline constexpr std::size_t traceparent_size = 55;
inline constexpr std::size_t trace_id_size = 32;
inline constexpr std::size_t trace_id_begin = 3;
inline constexpr std::size_t parent_id_size = 16;

namespace detail {

/// Lower-case hexadecimal digits.
constexpr bool is_hex(std::string_view text) noexcept {
    for (char c : text) {
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return true;
}

constexpr bool is_id(std::string_view text) noexcept {
    return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

} // namespace detail

/// As section 3.2.2 and 4.3 have it: no id is all zeros; `ff` is no version; a later version may go on after
/// the flags, with a dash.
constexpr bool is_traceparent(std::string_view text) noexcept {
    if (text.size() < traceparent_size || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    std::string_view version = slice(text, 0, 2);
    if (!detail::is_hex(version) || version == "ff" || !detail::is_id(slice(text, 3, 32)) ||
        !detail::is_id(slice(text, 36, 16)) || !detail::is_hex(slice(text, 53, 2))) {
        return false;
    }
    return text.size() == traceparent_size || (version != "00" && text[traceparent_size] == '-');
}

} // namespace npcchat
