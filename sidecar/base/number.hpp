// Numbers from text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace npcchat {

// The number that the whole of `text` is; nothing for anything else, or what does not fit.
template <class Number> std::optional<Number> parse_number(std::string_view text) {
    Number number{};
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stopped != end) return std::nullopt;
    return number;
}

} // namespace npcchat
