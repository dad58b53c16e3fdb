// Who a key belongs to, as a key lookup answers it.
#pragma once

#include "common/path.hpp"
#include "common/protocol.hpp"
#include "common/slice.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace npcchat {

enum class Role : unsigned char { user, admin };

struct Identity {
    /// Immutable, never given out again; the admin: 0.
    std::int64_t id = 0;
    Role role = Role::user;
    /// Percent-encoded, so safe in a header and in a log.
    std::string_view name;
    /// See plan.hpp; may be empty.
    std::string_view plan;
};

constexpr std::string_view role_name(Role role) noexcept {
    return role == Role::admin ? protocol::role_admin : protocol::role_user;
}

constexpr std::optional<Role> parse_role(std::string_view text) noexcept {
    if (text == protocol::role_user) return Role::user;
    if (text == protocol::role_admin) return Role::admin;
    return std::nullopt;
}

constexpr bool is_name(std::string_view text) noexcept {
    if (text.empty() || text.size() > protocol::name_max) return false;
    for (char c : text) {
        if (!is_unreserved(static_cast<unsigned char>(c)) && c != '@' && c != '%') return false;
    }
    return true;
}

constexpr bool is_plan(std::string_view text) noexcept {
    if (text.size() > protocol::plan_max) return false;
    for (char c : text) {
        if (c < 0x21 || c > 0x7E) return false;
    }
    return true;
}

/// A decimal int64 that is not negative.
constexpr std::optional<std::int64_t> parse_id(std::string_view text) noexcept {
    if (text.empty() || text.size() > 19) return std::nullopt;
    std::uint64_t value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

/// From the values of `X-Npcchat-User`, `-Role` and `-Plan`; nothing where one is malformed.
constexpr std::optional<Identity> parse_identity(std::string_view user, std::string_view role,
                                                 std::string_view plan) noexcept {
    std::size_t colon = user.find(':');
    if (colon == std::string_view::npos) return std::nullopt;

    std::string_view name = slice(user, colon + 1);
    auto id = parse_id(slice(user, 0, colon));
    auto known_role = parse_role(role);
    if (!id || !known_role || !is_name(name) || !is_plan(plan)) return std::nullopt;
    return Identity{*id, *known_role, name, plan};
}

} // namespace npcchat
