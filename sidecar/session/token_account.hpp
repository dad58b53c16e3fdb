// A user's account of tokens in memory: the rules of TokenBudget as plain arithmetic.
#pragma once

#include "session/token_budget.hpp"

#include <optional>
#include <unordered_map>

namespace npcchat {

class TokenAccount {
  public:
    // `used_today`: on the day of `now`, before this account began.
    TokenAccount(std::int64_t used_today, Millis now)
        : at_(now), day_(now / kDayMillis), day_used_(used_today) {}

    struct Refusal {
        Shortage shortage;
        Millis wait;
    };
    // Nothing, where it is granted; always, for `least` 0.
    std::optional<Refusal> reserve(const Reservation& reservation, std::int64_t least, Millis now);
    void settle(const Reservation& reservation, std::int64_t used, Millis now);
    void renew(const Reservation& reservation, Millis now);

    // Whether forgetting it changes nothing but the day's sum.
    bool is_idle(Millis now) const;

  private:
    void let_pass(const TokenLimits& limits, Millis now);
    std::optional<Refusal> find_shortage(const TokenLimits& limits, std::int64_t least, Millis now) const;

    double owed_ = 0; // of the minute's tokens
    Millis at_;       // when that was so
    std::int64_t day_;
    std::int64_t day_used_;
    std::unordered_map<std::string, Millis> reservations_; // by id, and their end
};

} // namespace npcchat
