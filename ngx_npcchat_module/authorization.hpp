// The key in an Authorization header.
#pragma once

#include "common/protocol.hpp"
#include "common/slice.hpp"

#include <optional>
#include <string_view>

namespace npcchat {

struct Authorization {
    /// In one of our two forms, `<key>` or `Bearer <key>`, whether or not the key is usable: it must not be
    /// passed on.
    bool ours = false;
    /// Empty: there is no usable key.
    std::string_view key;
};

/// 1 to 256 bytes of 0x21 to 0x7E.
constexpr bool is_key(std::string_view text) noexcept {
    if (text.empty() || text.size() > protocol::key_max) return false;
    // To the end in any case: compilers look at many bytes at a time then.
    bool usable = true;
    for (char c : text)
        usable &= c >= 0x21 && c <= 0x7E;
    return usable;
}

/// RFC 9110, 11.4: a scheme, which has no case, and what follows it. A value without a space is a key itself.
/// What stands where a key does, of whatever characters; nothing where the value is in none of our forms.
constexpr std::optional<std::string_view> find_key(std::string_view value) noexcept {
    constexpr std::string_view bearer = "bearer";

    std::size_t space = value.find(' ');
    if (space == std::string_view::npos) return value;
    if (space != bearer.size()) return std::nullopt;
    for (std::size_t i = 0; i < bearer.size(); ++i) {
        if ((value[i] | 0x20) != bearer[i]) return std::nullopt;
    }
    std::size_t begin = value.find_first_not_of(' ', space);
    return begin == std::string_view::npos ? std::string_view{} : slice(value, begin);
}

constexpr Authorization parse_authorization(std::string_view value) noexcept {
    std::optional<std::string_view> key = find_key(value);
    if (!key) return {};
    return {true, is_key(*key) ? *key : std::string_view{}};
}

} // namespace npcchat
