// TokenBudget in Redis: exact over any number of sidecars. The keys of a user share the slot {u:<user id>}.
#pragma once

#include "io/redis.hpp"
#include "session/token_budget.hpp"

namespace npcchat {

class RedisTokenBudget final : public TokenBudget {
  public:
    explicit RedisTokenBudget(Redis& redis) : redis_(redis) {}

    Task<Result<Reservation>> reserve(UserId user_id, TokenLimits limits, TokenEstimate estimate) override;
    Task<void> settle(Reservation reservation, std::int64_t used) override;
    Task<void> renew(Reservation reservation) override;

  private:
    Redis& redis_;
};

} // namespace npcchat
