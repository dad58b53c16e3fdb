// When a call to a model that failed is tried again, where, and after how long.
//
// Only calls are meant of which nothing has reached the client.
#pragma once

#include <chrono>
#include <optional>

namespace npcchat {

enum class CallFailure {
    unreachable,     // no connection
    timed_out,       // connected, and then nothing in time
    broken,          // the connection broke off, or what came is no HTTP
    busy,            // 429, or Anthropic's 529
    server_error,    // any other 5xx
    unusable,        // a 2xx or 3xx without a usable answer in it
    not_served,      // 401, 403, 404: wrong with this target, its key or its name for the model
    refused_request, // any other 4xx: every target would say the same
};

// What a status other than 2xx means.
CallFailure failure_of_status(int status);

enum class TryAgain {
    nowhere,
    elsewhere, // at another target only: this one would fail again, or take as long again
    anywhere,
};
TryAgain try_again_after(CallFailure failure);

// The waits of one call between rounds over all targets that can be asked.
class Backoff {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr int kRounds = 3; // the first included
    static constexpr std::chrono::milliseconds kFirst{250};
    static constexpr std::chrono::milliseconds kLongest{4'000};
    // A longer Retry-After goes to the client instead, who has waited enough.
    static constexpr std::chrono::milliseconds kLongestRetryAfter{10'000};

    // `deadline` is the end of the whole call.
    explicit Backoff(Clock::time_point deadline) : deadline_(deadline) {}

    // How long to wait before the next round; nothing, where there is none. Twice as long each time, of which
    // `random` (0 to 1) takes away up to half, so that those who failed together do not return together; but
    // never less than `retry_after`, the least that a target asked for.
    std::optional<Clock::duration> next(Clock::time_point now,
                                        std::optional<std::chrono::seconds> retry_after, double random);

  private:
    Clock::time_point deadline_;
    int rounds_ = 1;
};

} // namespace npcchat
