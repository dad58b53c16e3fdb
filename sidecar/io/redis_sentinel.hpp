// The master of a replicated Redis, as its Sentinels know it
// (https://redis.io/docs/reference/sentinel-clients).
#pragma once

#include "io/redis_single.hpp"

#include <random>

namespace npcchat {

class RedisSentinel final : public RedisSingle {
  public:
    // Whenever there is no connection, Sentinels are asked where the master is. Commands wait for it within
    // their limit.
    RedisSentinel(Executor executor, RedisUrl url, Clock::duration limit);

  protected:
    Task<Result<RedisReply>> exchange(const Request& request) override;
    Task<std::optional<RedisHost>> find_server() override;
    Task<bool> check_server(std::shared_ptr<RedisLink> link) override;

  private:
    Task<std::optional<RedisHost>> ask(RedisHost sentinel);
    Task<Result<RedisReply>> ask_for_master(std::shared_ptr<RedisLink> link);

    std::minstd_rand random_{std::random_device{}()};
};

} // namespace npcchat
