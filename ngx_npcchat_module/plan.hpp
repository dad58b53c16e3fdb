// The part of a user's plan that the edge enforces.
#pragma once

#include "common/slice.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace npcchat {

struct Plan {
    /// Requests a minute; 0: no limit; absent: the zone's rate.
    std::optional<std::uint32_t> rpm;
    /// Requests that may come at once beyond the first; absent: one less than `rpm`.
    std::optional<std::uint32_t> burst;
};

/// A decimal number up to a billion (what is more counts as a billion), or nothing.
constexpr std::optional<std::uint32_t> parse_count(std::string_view text) noexcept {
    constexpr std::uint64_t most = 1'000'000'000;
    if (text.empty()) return std::nullopt;

    std::uint64_t value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
        if (value > most) value = most;
    }
    return static_cast<std::uint32_t>(value);
}

/// `rpm=<n>` and `burst=<n>` joined by `;`, in any order. What else is there is the sidecar's.
constexpr Plan parse_plan(std::string_view text) noexcept {
    Plan plan;
    while (!text.empty()) {
        std::size_t end = text.find(';');
        std::string_view part = slice(text, 0, end);
        text = end == std::string_view::npos ? std::string_view{} : slice(text, end + 1);

        if (part.starts_with("rpm=")) plan.rpm = parse_count(slice(part, 4));
        if (part.starts_with("burst=")) plan.burst = parse_count(slice(part, 6));
    }
    return plan;
}

} // namespace npcchat
