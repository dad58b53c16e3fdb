// ASCII's white space.
#pragma once

#include <string_view>

namespace npcchat {

inline constexpr std::string_view kSpace = " \t\n\v\f\r";

// The text without white space around it.
inline std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(kSpace);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

} // namespace npcchat
