#include "model/retry.hpp"

#include <algorithm>

namespace npcchat {

CallFailure failure_of_status(int status) {
    if (status == 429 || status == 529) return CallFailure::busy;
    if (status >= 500) return CallFailure::server_error;
    if (status == 401 || status == 403 || status == 404) return CallFailure::not_served;
    if (status >= 400) return CallFailure::refused_request;
    return CallFailure::unusable;
}

TryAgain try_again_after(CallFailure failure) {
    switch (failure) {
    case CallFailure::refused_request:
        return TryAgain::nowhere;
    case CallFailure::timed_out:
    case CallFailure::unusable:
    case CallFailure::not_served:
        return TryAgain::elsewhere;
    case CallFailure::unreachable:
    case CallFailure::broken:
    case CallFailure::busy:
    case CallFailure::server_error:
        break;
    }
    return TryAgain::anywhere;
}

std::optional<Backoff::Clock::duration>
Backoff::next(Clock::time_point now, std::optional<std::chrono::seconds> retry_after, double random) {
    if (rounds_ >= kRounds) return std::nullopt;
    const std::chrono::duration<double, std::milli> longest =
        std::min(kFirst * (1 << (rounds_ - 1)), kLongest);
    auto wait = std::chrono::duration_cast<Clock::duration>(longest * (1 - std::clamp(random, 0.0, 1.0) / 2));
    if (retry_after) {
        if (*retry_after > kLongestRetryAfter) return std::nullopt;
        // Not all at the very moment that they were told.
        wait = std::max<Clock::duration>(wait, *retry_after + wait / 4);
    }
    if (now + wait >= deadline_) return std::nullopt;
    ++rounds_;
    return wait;
}

} // namespace npcchat
