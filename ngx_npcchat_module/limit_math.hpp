// The limiter's arithmetic: that of ngx_http_limit_req_module, so that both agree on the same arrivals.
#pragma once

#include <cstdint>

namespace npcchat {

/// A leaky bucket's setting.
struct LimitRule {
    /// In 1/1000 requests a second, 1 to `rate_max`. limit_req's grid: r/m are divided by 60 and truncated.
    std::int64_t rate = 0;
    /// In 1/1000 requests.
    std::int64_t burst = 0;
};

/// What is remembered of a bucket.
struct LimitState {
    /// Milliseconds of a monotonic clock.
    std::uint64_t last = 0;
    /// In 1/1000 requests.
    std::int64_t excess = 0;
};

/// A million requests a second: with `elapsed_max` no product overflows.
inline constexpr std::int64_t rate_max = 1'000'000'000;
inline constexpr std::int64_t elapsed_max = 9'000'000'000;

/// `requests` in `seconds` (1 or 60) on limit_req's grid.
constexpr std::int64_t limit_rate(std::int64_t requests, std::int64_t seconds) noexcept {
    std::int64_t capped = requests < rate_max / 1000 * seconds ? requests : rate_max / 1000 * seconds;
    return capped * 1000 / seconds;
}

/// Milliseconds that count as passed: a clock that seems to have gone back a little did not move, one that
/// jumped back by over a minute moved by one.
constexpr std::int64_t limit_elapsed(std::uint64_t now, std::uint64_t last) noexcept {
    auto elapsed = static_cast<std::int64_t>(now - last);
    if (elapsed < -60000) return 1;
    if (elapsed < 0) return 0;
    return elapsed < elapsed_max ? elapsed : elapsed_max;
}

/// The excess after one more request, in 1/1000 requests.
constexpr std::int64_t limit_excess(std::int64_t rate, std::int64_t excess, std::int64_t elapsed) noexcept {
    std::int64_t next = excess - rate * elapsed / 1000 + 1000;
    return next < 0 ? 0 : next;
}

/// Whether a bucket idle since `elapsed` milliseconds holds nothing any more.
constexpr bool limit_drained(std::int64_t rate, std::int64_t excess, std::int64_t elapsed) noexcept {
    return excess - rate * elapsed / 1000 <= 0;
}

struct LimitVerdict {
    bool passed = false;
    /// In 1/1000 requests, this request included.
    std::int64_t excess = 0;
};

/// Accounts one request to a known bucket. One that is over the burst is not accounted.
constexpr LimitVerdict limit_account(LimitState& state, LimitRule rule, std::uint64_t now) noexcept {
    std::int64_t elapsed = limit_elapsed(now, state.last);
    std::int64_t excess = limit_excess(rule.rate, state.excess, elapsed);
    if (excess > rule.burst) return {false, excess};

    state.excess = excess;
    if (elapsed != 0) state.last = now;
    return {true, excess};
}

/// Whole seconds, rounded up, until a request that was refused at `excess` would pass; at least 1.
constexpr std::int64_t limit_retry_after(LimitRule rule, std::int64_t excess) noexcept {
    std::int64_t over = excess - rule.burst;
    std::int64_t seconds = (over + rule.rate - 1) / rule.rate;
    return seconds < 1 ? 1 : seconds;
}

} // namespace npcchat
