// What a user has left of its tokens, and how many of its chats are being answered.
#pragma once

#include "base/clock.hpp"
#include "base/error.hpp"
#include "catalog/catalog.hpp"

#include <string>

namespace npcchat {

struct TokenLimits { // 0: no limit
    std::int64_t per_minute = 0;
    std::int64_t per_day = 0; // of UTC
    std::int64_t chats = 0;   // being answered at once
};

// What a call will take, as far as is known before it.
struct TokenEstimate {
    std::int64_t least = 1;    // so much must be left, or it is refused; 0: it is granted whatever is left
    std::int64_t reserved = 1; // so much is taken until it is settled, at least `least`
};

// A place among the chats, and tokens. Lives kReservationMillis unless renewed; tokens of one that was
// neither renewed nor settled count as used.
struct Reservation {
    UserId user_id = 0;
    std::string id;
    TokenLimits limits;
    std::int64_t tokens = 0;
    std::int64_t day = 0; // since 1970-01-01, when they were taken
};

inline constexpr Millis kReservationMillis = 15'000;
inline constexpr Millis kDayMillis = 86'400'000;

// The minute is a bucket, as in nginx's limit_req: it holds the tokens of a minute, and what was taken comes
// back evenly over one. Tokens that were used beyond what was reserved are owed, and must come back first.
class TokenBudget {
  public:
    virtual ~TokenBudget() = default;

    // All of it, or nothing: 429 with the seconds until it may work, 503 where the store is down.
    virtual Task<Result<Reservation>> reserve(UserId user_id, TokenLimits limits, TokenEstimate estimate) = 0;

    // Gives the place back, and what was reserved but not used. The second time it does nothing.
    virtual Task<void> settle(Reservation reservation, std::int64_t used) = 0;

    virtual Task<void> renew(Reservation reservation) = 0;
};

// Why a reservation is refused, and in how many milliseconds it may work.
enum class Shortage { chats, minute, day };
std::unexpected<Error> budget_exhausted(Shortage shortage, Millis wait);

} // namespace npcchat
