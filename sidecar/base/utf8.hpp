// UTF-8 (RFC 3629).
#pragma once

#include <cstddef>
#include <string_view>

namespace npcchat {

// Strict: no overlong forms, no surrogates, nothing above U+10FFFF, no truncated sequence. NUL is valid.
bool is_valid_utf8(std::string_view text);

// The largest position that is not above `at` (a byte offset) and not inside a character, so that
// `text.substr(0, utf8_floor(text, at))` cuts no character in two. text.size() where `at` is at or past the
// end. In text that is not UTF-8 it is `at` or up to three bytes before it.
std::size_t utf8_floor(std::string_view text, std::size_t at);

} // namespace npcchat
