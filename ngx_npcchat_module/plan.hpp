// The part of a user's plan that the edge enforces.
#pragma once

#include "common/slice.hpp"
#include "limit_math.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace npcchat {

struct Plan {
    /// Requests in each window, by Window; 0: no limit; absent: the zone's rate, where that is for the
    /// window.
    std::optional<std::uint32_t> requests[window_count];
    /// Requests that may come at once beyond the first, in the minute's window; absent: one less than its
    /// requests, as in all the others.
    std::optional<std::uint32_t> burst;
    /// Requests that may be open at a time; 0: no limit; absent: what the location says.
    std::optional<std::uint32_t> concurrency;
};

/// A decimal number up to a billion (what is more counts as a billion), or nothing.
constexpr std::optional<std::uint32_t> parse_count(std::string_view text) noexcept {
    constexpr std::uint64_t most = requests_max;
    if (text.empty()) return std::nullopt;

    std::uint64_t value = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
        if (value > most) value = most;
    }
    return static_cast<std::uint32_t>(value);
}

/// `rps=<n>`, `rpm=<n>`, `rph=<n>`, `rpd=<n>`, `burst=<n>` and `conc=<n>` joined by `;`, in any order. What
/// else is there is the sidecar's.
constexpr Plan parse_plan(std::string_view text) noexcept {
    Plan plan;
    const struct {
        std::string_view name;
        std::optional<std::uint32_t>& value;
    } fields[] = {{"rpm=", plan.requests[static_cast<std::size_t>(Window::minute)]},
                  {"burst=", plan.burst},
                  {"rps=", plan.requests[static_cast<std::size_t>(Window::second)]},
                  {"rph=", plan.requests[static_cast<std::size_t>(Window::hour)]},
                  {"rpd=", plan.requests[static_cast<std::size_t>(Window::day)]},
                  {"conc=", plan.concurrency}};

    while (!text.empty()) {
        std::size_t end = text.find(';');
        std::string_view part = slice(text, 0, end);
        text = end == std::string_view::npos ? std::string_view{} : slice(text, end + 1);

        for (const auto& [name, value] : fields) {
            if (part.starts_with(name)) value = parse_count(slice(part, name.size()));
        }
    }
    return plan;
}

/// What `npcchat_limit_zone` says of rates.
struct ZoneRate {
    Window window;
    std::int64_t requests; ///< 0: no limit but by plan
    bool plans;            ///< users' plans count
};

/// What `npcchat_limit` says, in requests; `delay` may be `no_delay`.
struct LimitUse {
    std::int64_t burst;
    std::int64_t delay;
};

/// The rules for a user: each window of the plan, and the zone's rate unless the plan has its window. Windows
/// of an hour and a day of a plan refuse and never delay: nobody waits for minutes.
constexpr LimitRules make_rules(const Plan& plan, const ZoneRate& zone, const LimitUse& use) noexcept {
    LimitRules rules{};
    for (std::size_t i = 0; i < window_count; ++i) {
        auto window = static_cast<Window>(i);
        bool is_zones = window == zone.window && zone.requests != 0;
        if (zone.plans && plan.requests[i]) {
            std::int64_t requests = *plan.requests[i];
            if (requests == 0) continue;
            std::int64_t burst = requests - 1;
            if (window == Window::minute && plan.burst) burst = *plan.burst;
            bool waits = window == Window::second || window == Window::minute;
            rules.rule[rules.count++] = make_rule(window, requests, burst, waits ? use.delay : no_delay);
        } else if (is_zones) {
            rules.rule[rules.count++] = make_rule(window, zone.requests, use.burst, use.delay);
        }
    }
    return rules;
}

} // namespace npcchat
