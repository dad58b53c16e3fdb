// Request paths, on which nginx and the sidecar must agree: what a canonical one is, and how it is decoded.
#pragma once

#include "common/slice.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace npcchat {

namespace detail {

consteval std::array<bool, 256> make_unreserved() {
    std::array<bool, 256> unreserved = {};
    for (char c = 'A'; c <= 'Z'; ++c)
        unreserved[static_cast<std::size_t>(c)] = unreserved[static_cast<std::size_t>(c | 0x20)] = true;
    for (char c : std::string_view("0123456789-._~"))
        unreserved[static_cast<std::size_t>(c)] = true;
    return unreserved;
}

inline constexpr auto unreserved = make_unreserved();

} // namespace detail

/// RFC 3986, 2.3: characters that never need percent-encoding.
constexpr bool is_unreserved(unsigned char c) noexcept {
    return detail::unreserved[c];
}

/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// The byte that `%XX` at `text[at]` stands for, or -1 where it is malformed or cut off.
constexpr int percent_byte(std::string_view text, std::size_t at) noexcept {
    if (text.size() - at < 3) return -1;
    int high = hex_value(text[at + 1]);
    int low = hex_value(text[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// Names of models have slashes in them. OpenAI's clients encode these, people do not: in a path that begins
/// so, and only there, `%2F` is another way to write `/`.
inline constexpr std::string_view model_path_front = "/v1/models/";

/// The bytes of a slash at `path[at]`, or 0.
constexpr std::size_t slash_size(std::string_view path, std::size_t at) noexcept {
    if (path[at] == '/') return 1;
    return path[at] == '%' && path.starts_with(model_path_front) && percent_byte(path, at) == '/' ? 3 : 0;
}

/// Whether a raw request path (as in the request line, up to `?`) has one reading only: it begins with `/`;
/// no segment but the last is empty; none is `.` or `..`; every `%` begins two hexadecimal digits, which
/// encode neither an unreserved character nor `/` (but see model_path_front), `\` or NUL; there is no raw
/// NUL,
/// `#` or `?`.
constexpr bool is_canonical_path(std::string_view path) noexcept {
    if (path.empty() || path[0] != '/') return false;

    std::size_t segment = 1;
    for (std::size_t i = 1; i <= path.size(); ++i) {
        // Most characters, and nothing below has a word on them.
        if (i < path.size() && is_unreserved(static_cast<unsigned char>(path[i]))) continue;

        std::size_t slash = i == path.size() ? 1 : slash_size(path, i);
        if (slash != 0) {
            std::string_view text = slice(path, segment, i - segment);
            if (text == "." || text == ".." || (text.empty() && i != path.size())) return false;
            i += slash - 1;
            segment = i + 1;
            continue;
        }
        char c = path[i];
        if (c == '\0' || c == '#' || c == '?') return false;
        if (c != '%') continue;

        int byte = percent_byte(path, i);
        if (byte <= 0 || byte == '/' || byte == '\\' || is_unreserved(static_cast<unsigned char>(byte)))
            return false;
        i += 2;
    }
    return true;
}

/// `percent_decode` found a malformed `%`.
inline constexpr std::size_t malformed_percent = static_cast<std::size_t>(-1);

/// Decodes `%XX` once, nothing else (`+` stays). `out` has room for `text.size()` bytes, and may be `text`'s
/// own memory. Returns the number of bytes written, or `malformed_percent`.
constexpr std::size_t percent_decode(std::string_view text, char* out) noexcept {
    std::size_t written = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        int byte = static_cast<unsigned char>(text[i]);
        if (text[i] == '%') {
            byte = percent_byte(text, i);
            if (byte < 0) return malformed_percent;
            i += 2;
        }
        out[written++] = static_cast<char>(byte);
    }
    return written;
}

/// The path of a request target in origin form: what stands before `?`.
constexpr std::string_view target_path(std::string_view target) noexcept {
    return slice(target, 0, target.find('?'));
}

} // namespace npcchat
