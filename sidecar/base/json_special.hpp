// Which bytes are special inside JSON's strings (RFC 8259, section 7): the quote, the backslash, and control
// characters.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace npcchat {

constexpr bool is_json_special(char byte) {
    const auto c = static_cast<unsigned char>(byte);
    return c < 0x20 || c == '"' || c == '\\';
}

namespace detail {

constexpr std::uint64_t in_each_byte(std::uint64_t value) {
    return value * 0x0101010101010101;
}

// The highest bit of a byte is set where it is special, and perhaps where a byte below it is. All three terms
// are "Determine if a word has a byte less than n":
// https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
constexpr std::uint64_t special_bytes(std::uint64_t word) {
    const auto less_than = [](std::uint64_t bytes, std::uint64_t bound) {
        return (bytes - in_each_byte(bound)) & ~bytes;
    };
    const std::uint64_t quote = less_than(word ^ in_each_byte('"'), 1);
    const std::uint64_t backslash = less_than(word ^ in_each_byte('\\'), 1);
    return (less_than(word, 0x20) | quote | backslash) & in_each_byte(0x80);
}

} // namespace detail

// Where the first of them stands, from `at` on, which is at most the text's size; its size where there is
// none.
inline std::size_t find_json_special(std::string_view text, std::size_t at) {
    if constexpr (std::endian::native == std::endian::little) {
        for (; text.size() - at >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
            std::uint64_t word = 0;
            std::memcpy(&word, text.data() + at, sizeof word);
            if (const std::uint64_t found = detail::special_bytes(word); found != 0)
                return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
        }
    }
    while (at < text.size() && !is_json_special(text[at]))
        ++at;
    return at;
}

} // namespace npcchat
