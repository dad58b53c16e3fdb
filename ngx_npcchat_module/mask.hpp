// Keys in paths: where they are, and how a path looks without them.
#pragma once

#include "common/slice.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace npcchat {

/// The user segment of a history path.
struct HistoryUser {
    std::size_t begin = 0;
    std::size_t size = 0;
    /// Just one segment, as the route has it; else there are more where a key with an encoded `/` may be.
    bool single = false;
};

/// `/chat/{user}/{chat_id}/history`, with or without a slash at its end; `path` is decoded and normalised as
/// nginx does it. `/chat/{chat_id}/history` names no user.
constexpr std::optional<HistoryUser> find_history_user(std::string_view path) noexcept {
    constexpr std::string_view front = "/chat/";
    constexpr std::string_view back = "/history";

    if (!path.starts_with(front)) return std::nullopt;
    while (path.ends_with('/'))
        path.remove_suffix(1);
    if (!path.ends_with(back)) return std::nullopt;
    path.remove_suffix(back.size());
    if (path.size() <= front.size()) return std::nullopt;

    std::size_t slash = path.rfind('/');
    if (slash <= front.size()) return std::nullopt;
    std::string_view user = slice(path, front.size(), slash - front.size());
    return HistoryUser{front.size(), user.size(), user.find('/') == std::string_view::npos};
}

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

constexpr bool is_base64url(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

/// The length of what begins `text` and looks like a key (`npc_` and at least 43 base64url characters, or
/// `token` and digits), or 0.
constexpr std::size_t key_like_prefix(std::string_view text) noexcept {
    constexpr std::string_view ours = "npc_";
    constexpr std::string_view old = "token";
    constexpr std::size_t least = 43;

    if (text.starts_with(ours)) {
        std::size_t end = ours.size();
        while (end < text.size() && is_base64url(text[end]))
            ++end;
        return end >= ours.size() + least ? end : 0;
    }
    if (text.starts_with(old)) {
        std::size_t end = old.size();
        while (end < text.size() && is_digit(text[end]))
            ++end;
        return end > old.size() ? end : 0;
    }
    return 0;
}

/// Copies `text` up to `room` bytes, `npc_*` or `token*` in place of what looks like a key. The copy is never
/// longer than `text`. Returns its length.
constexpr std::size_t mask_keys(std::string_view text, char* out, std::size_t room) noexcept {
    std::size_t written = 0;
    while (!text.empty() && written < room) {
        std::size_t key = key_like_prefix(text);
        if (key == 0) {
            out[written++] = text.front();
            text.remove_prefix(1);
            continue;
        }
        std::string_view kept = slice(text, 0, text[0] == 'n' ? 4 : 5);
        for (char c : kept) {
            if (written < room) out[written++] = c;
        }
        if (written < room) out[written++] = '*';
        text.remove_prefix(key);
    }
    return written;
}

/// Whether there is anything for `mask_keys` to do.
constexpr bool has_key_like(std::string_view text) noexcept {
    for (; !text.empty(); text.remove_prefix(1)) {
        // Both kinds begin with letters that few characters are.
        if ((text[0] == 'n' || text[0] == 't') && key_like_prefix(text) != 0) return true;
    }
    return false;
}

} // namespace npcchat
