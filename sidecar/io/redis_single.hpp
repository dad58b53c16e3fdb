// One Redis server: one connection.
#pragma once

#include "io/redis.hpp"

#include <optional>

namespace npcchat {

class RedisSingle : public Redis {
  public:
    // Connects again 50 ms to 1 s after the connection is lost; meanwhile everything fails at once.
    RedisSingle(Executor executor, RedisUrl url, Clock::duration limit);
    ~RedisSingle() override { stopping_ = true; }

    Task<Result<ScanPage>> scan(std::string cursor, std::string pattern, int count) override;
    Task<Result<void>> ping() override;
    void measure_clock() override;

  protected:
    Task<Result<RedisReply>> exchange(const Request& request) override;
    std::shared_ptr<RedisLink> link_for(const Request&) override { return link_; }
    Millis clock_offset() const override { return clock_offset_; }

    // Where to connect to now; nothing: nowhere yet.
    virtual Task<std::optional<RedisHost>> find_server();
    // Whether what was connected to is what was looked for. Else it has been closed.
    virtual Task<bool> check_server(std::shared_ptr<RedisLink> link);

    std::shared_ptr<RedisLink> link_; // nothing while down

  private:
    Task<void> keep_connected();
    Task<std::shared_ptr<RedisLink>> connect();

    Millis clock_offset_ = now_ms() - steady_ms(); // Redis' clock minus our steady one; ours until it is read
    Timer retry_timer_;
    bool stopping_ = false;
};

} // namespace npcchat
