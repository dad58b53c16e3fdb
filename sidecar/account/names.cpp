#include "account/names.hpp"

#include <algorithm>

namespace npcchat {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMinPassword = 8;
constexpr std::size_t kMaxPassword = 256;

// Unlike <cctype>'s these know no locale.
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool consists_of(std::string_view text, std::string_view extra) {
    return std::all_of(text.begin(), text.end(), [extra](char c) {
        return is_alphanumeric(c) || extra.find(c) != std::string_view::npos;
    });
}

bool looks_like_key(std::string_view folded) {
    constexpr std::string_view token = "token";
    if (folded.starts_with("npc_")) return true;
    if (!folded.starts_with(token) || folded.size() == token.size()) return false;
    return std::all_of(folded.begin() + token.size(), folded.end(), is_digit);
}

} // namespace

std::expected<void, std::string> check_user_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxName) {
        return std::unexpected("username: must have 1 to 64 characters");
    }
    if (!consists_of(name, "_.@-")) {
        return std::unexpected("username: only A-Z, a-z, 0-9, _ . @ and - are allowed");
    }
    if (looks_like_key(fold_name(name))) return std::unexpected("username: must not look like an API key");
    return {};
}

std::string fold_name(std::string_view name) {
    std::string folded(name);
    std::transform(folded.begin(), folded.end(), folded.begin(), to_lower);
    return folded;
}

std::expected<void, std::string> check_password(std::string_view password) {
    if (password.size() < kMinPassword || password.size() > kMaxPassword) {
        return std::unexpected("password: must have 8 to 256 bytes");
    }
    if (password.find('\0') != std::string_view::npos) {
        return std::unexpected("password: must not contain a NUL byte");
    }
    return {};
}

bool is_chat_id(std::string_view id) {
    return !id.empty() && id.size() <= kMaxName && consists_of(id, "_-");
}

std::expected<void, std::string> check_world_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxWorldName || !consists_of(name, "_.-"))
        return std::unexpected("must be 1 to 64 of A-Z a-z 0-9 _ . -");
    if (name.find_first_not_of('.') == std::string_view::npos)
        return std::unexpected("must not be dots alone");
    return {};
}

bool is_uuid4(std::string_view id) {
    constexpr std::string_view shape = "xxxxxxxx-xxxx-4xxx-Vxxx-xxxxxxxxxxxx";
    if (id.size() != shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const char c = id[i];
        const bool fits = shape[i] == 'x'   ? is_hex(c)
                          : shape[i] == 'V' ? std::string_view("89abAB").find(c) != std::string_view::npos
                                            : c == shape[i];
        if (!fits) return false;
    }
    return true;
}

std::string stored_npc_id(std::string given) {
    return is_uuid4(given) ? fold_name(given) : std::move(given);
}

} // namespace npcchat
