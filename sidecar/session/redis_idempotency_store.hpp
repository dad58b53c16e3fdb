// IdempotencyStore in Redis: a hash on the user's slot for each key.
#pragma once

#include "io/redis.hpp"
#include "session/idempotency.hpp"

namespace npcchat {

class RedisIdempotencyStore final : public IdempotencyStore {
  public:
    explicit RedisIdempotencyStore(Redis& redis) : redis_(redis) {}

    Task<Result<Repeat>> begin(IdempotencyKey key, std::string body_digest) override;
    Task<void> renew(Running running) override;
    Task<Result<void>> finish(Running running, std::string answer) override;
    Task<void> abandon(Running running) override;

  private:
    Redis& redis_;
};

} // namespace npcchat
