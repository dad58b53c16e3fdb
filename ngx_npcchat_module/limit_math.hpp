// The limiter's arithmetic. By the second and the minute it is that of ngx_http_limit_req_module, so that
// both agree on the same arrivals; by the hour and the day, which that module's grid would round away, it is
// exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace npcchat {

/// What a rate is for. A user has a bucket for each.
enum class Window : unsigned char { second, minute, hour, day };
inline constexpr std::size_t window_count = 4;

/// limit_req counts in 1/1000 requests, and rates in 1/1000 requests a second.
inline constexpr std::int64_t grid = 1000;

struct WindowScale {
    std::string_view name;
    std::int64_t seconds;
    /// What one request adds to a bucket's excess.
    std::int64_t unit;
    /// `rate * milliseconds / divisor` leaks. 1 or `grid`.
    std::int64_t divisor;

    /// The same as `value / divisor` and `value / unit`; for divisors that it knows, the compiler needs none
    /// of the processor's slow divisions.
    constexpr std::int64_t by_divisor(std::int64_t value) const noexcept {
        return divisor == grid ? value / grid : value;
    }
    constexpr std::int64_t by_unit(std::int64_t value) const noexcept {
        return unit == grid ? value / grid : value / unit;
    }
};

/// By the second and the minute as limit_req. The others count in requests times milliseconds of the
/// window, so that each request of the rate leaks one for each millisecond.
inline constexpr WindowScale window_scales[window_count] = {
    {"second", 1, grid, grid},
    {"minute", 60, grid, grid},
    {"hour", 3600, 3'600'000, 1},
    {"day", 86400, 86'400'000, 1},
};

constexpr const WindowScale& scale_of(Window window) noexcept {
    return window_scales[static_cast<std::size_t>(window)];
}

/// With these no product overflows.
inline constexpr std::int64_t requests_max = 1'000'000'000;
inline constexpr std::int64_t grid_rate_max = 1'000'000'000;
inline constexpr std::int64_t elapsed_max = 9'000'000'000;

/// A leaky bucket's setting.
struct LimitRule {
    Window window;
    /// Requests in the window, 1 to `requests_max`.
    std::int64_t requests;
    /// What leaks: see WindowScale. At least 1.
    std::int64_t rate;
    /// In units of the window: the excess that is still allowed, and that from which on requests wait.
    std::int64_t burst;
    std::int64_t delay;

    constexpr const WindowScale& scale() const noexcept { return scale_of(window); }
};

/// No request waits.
inline constexpr std::int64_t no_delay = -1;

/// `requests` (1 to `requests_max`) in a window; `burst` and `delay` in requests, up to `requests_max`, where
/// `delay` may be `no_delay`.
constexpr LimitRule make_rule(Window window, std::int64_t requests, std::int64_t burst,
                              std::int64_t delay) noexcept {
    const WindowScale& scale = scale_of(window);
    std::int64_t rate = requests;
    if (scale.divisor != 1) {
        // As limit_req has it: truncated to 1/1000 a second.
        rate = requests * 1000 / scale.seconds;
        if (rate > grid_rate_max) rate = grid_rate_max;
    }
    constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    return {window, requests, rate, burst * scale.unit, delay == no_delay ? never : delay * scale.unit};
}

/// A user's rules in one zone, at most one for each window.
struct LimitRules {
    std::size_t count;
    LimitRule rule[window_count];
};

/// What is remembered of a user. A new one's buckets are below empty by one request: the first adds nothing.
struct LimitState {
    /// Milliseconds of a monotonic clock.
    std::uint64_t last;
    /// By Window, in its units.
    std::int64_t excess[window_count];
};

constexpr LimitState fresh_state(std::uint64_t now) noexcept {
    LimitState state{now, {}};
    for (std::size_t i = 0; i < window_count; ++i)
        state.excess[i] = -window_scales[i].unit;
    return state;
}

/// Milliseconds that count as passed: a clock that seems to have gone back a little did not move, one that
/// jumped back by over a minute moved by one.
constexpr std::int64_t limit_elapsed(std::uint64_t now, std::uint64_t last) noexcept {
    auto elapsed = static_cast<std::int64_t>(now - last);
    if (elapsed < -60000) return 1;
    if (elapsed < 0) return 0;
    return elapsed < elapsed_max ? elapsed : elapsed_max;
}

/// The excess after one more request.
constexpr std::int64_t limit_excess(const LimitRule& rule, std::int64_t excess,
                                    std::int64_t elapsed) noexcept {
    std::int64_t leaked = rule.scale().by_divisor(rule.rate * elapsed);
    std::int64_t next = excess - leaked + rule.scale().unit;
    return next < 0 ? 0 : next;
}

/// What one request finds in a user's buckets.
struct LimitVerdict {
    bool passed;
    /// By rule, with this request.
    std::int64_t excess[window_count];
};

constexpr LimitVerdict limit_peek(const LimitState& state, const LimitRules& rules,
                                  std::uint64_t now) noexcept {
    std::int64_t elapsed = limit_elapsed(now, state.last);
    LimitVerdict verdict{true, {}};
    for (std::size_t i = 0; i < rules.count; ++i) {
        const LimitRule& rule = rules.rule[i];
        std::int64_t held = state.excess[static_cast<std::size_t>(rule.window)];
        verdict.excess[i] = limit_excess(rule, held, elapsed);
        if (verdict.excess[i] > rule.burst) verdict.passed = false;
    }
    return verdict;
}

/// Counts the request that `verdict` was made for. Windows without a rule are forgotten.
constexpr void limit_charge(LimitState& state, const LimitRules& rules, const LimitVerdict& verdict,
                            std::uint64_t now) noexcept {
    if (limit_elapsed(now, state.last) != 0) state.last = now;
    LimitState next = fresh_state(state.last);
    for (std::size_t i = 0; i < rules.count; ++i)
        next.excess[static_cast<std::size_t>(rules.rule[i].window)] = verdict.excess[i];
    state = next;
}

/// Milliseconds, rounded up, in which `amount` (in units of the window) leaks.
constexpr std::int64_t limit_leak_time(const LimitRule& rule, std::int64_t amount) noexcept {
    return amount <= 0 ? 0 : (amount * rule.scale().divisor + rule.rate - 1) / rule.rate;
}

/// Milliseconds after `last` until a user's buckets are as good as new.
constexpr std::int64_t limit_drain_time(const LimitState& state, const LimitRules& rules) noexcept {
    std::int64_t longest = 0;
    for (std::size_t i = 0; i < rules.count; ++i) {
        const LimitRule& rule = rules.rule[i];
        std::int64_t held = state.excess[static_cast<std::size_t>(rule.window)];
        std::int64_t time = limit_leak_time(rule, held + rule.scale().unit);
        if (time > longest) longest = time;
    }
    return longest;
}

/// Milliseconds that a request that passed at `excess` has to wait, truncated as limit_req does.
constexpr std::int64_t limit_delay(const LimitRule& rule, std::int64_t excess) noexcept {
    return excess <= rule.delay ? 0 : (excess - rule.delay) * rule.scale().divisor / rule.rate;
}

/// Whole seconds, rounded up, of milliseconds.
constexpr std::int64_t limit_seconds(std::int64_t milliseconds) noexcept {
    return (milliseconds + 999) / 1000;
}

/// Whole seconds, rounded up, until a request that was refused at `excess` would pass; 0: it was not this
/// rule that refused it.
constexpr std::int64_t limit_retry_after(const LimitRule& rule, std::int64_t excess) noexcept {
    return limit_seconds(limit_leak_time(rule, excess - rule.burst));
}

/// How a user stands with a rule after a request.
struct Allowance {
    /// Requests that would pass at once; at most those of the window.
    std::int64_t remaining;
    /// Seconds until it is one more; 0: it cannot be more.
    std::int64_t next;
    /// Seconds until all that was used is given back.
    std::int64_t reset;
};

/// `excess` is that of a verdict, and `counted` whether its request was charged.
constexpr Allowance limit_allowance(const LimitRule& rule, std::int64_t excess, bool counted) noexcept {
    const std::int64_t unit = rule.scale().unit;
    const std::int64_t used = counted ? excess + unit : excess;
    const std::int64_t free = rule.burst + unit - used;
    const std::int64_t remaining = free < 0 ? 0 : rule.scale().by_unit(free);
    const std::int64_t wanted = used == 0 ? 0 : (remaining + 1) * unit - free;
    return {remaining < rule.requests ? remaining : rule.requests,
            limit_seconds(limit_leak_time(rule, wanted)), limit_seconds(limit_leak_time(rule, used))};
}

} // namespace npcchat
