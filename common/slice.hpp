// Parts of texts that cannot fail.
#pragma once

#include <cstddef>
#include <string_view>

namespace npcchat {

/// As std::string_view::substr, but what lies outside of the text is left out where that would throw: nothing
/// may be thrown through nginx.
constexpr std::string_view slice(std::string_view text, std::size_t begin,
                                 std::size_t size = std::string_view::npos) noexcept {
    if (begin > text.size()) begin = text.size();
    if (size > text.size() - begin) size = text.size() - begin;
    return {text.data() + begin, size};
}

} // namespace npcchat
