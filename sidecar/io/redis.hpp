// Redis for one event loop: one pipelined connection, hiredis' protocol code on an Asio socket.
#pragma once

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/store_metrics.hpp"
#include "io/task.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct redisReply;

namespace npcchat {

// A reply, or a part of one; the parts share their whole.
class RedisReply {
  public:
    explicit RedisReply(redisReply* reply); // takes it over
    bool is_nil() const;
    bool is_error() const;
    std::int64_t integer() const;                   // 0 where it is none
    std::string_view text() const;                  // of strings, statuses and errors, else empty
    std::size_t size() const;                       // of arrays, else 0
    RedisReply operator[](std::size_t index) const; // index < size()

  private:
    RedisReply(std::shared_ptr<redisReply> whole, const redisReply* part);
    std::shared_ptr<redisReply> whole_;
    const redisReply* part_;
};

struct RedisAddress {
    std::string host;
    std::string port = "6379";
    std::string user;
    std::string password;
    int database = 0;
};

// redis://[user:password@]host[:port][/db]; user and password percent-encoded. The error is for the operator.
std::expected<RedisAddress, std::string> parse_redis_url(std::string_view url);

class Redis {
  public:
    // `limit` bounds every command. Connects by itself, and again 50 ms to 1 s after the connection is lost.
    Redis(Executor executor, RedisAddress address, Clock::duration limit);
    ~Redis();
    Redis(const Redis&) = delete;
    Redis& operator=(const Redis&) = delete;

    // 503 where Redis is down or does not answer in time: whether the command was carried out is then
    // unknown. An error reply of Redis comes back as a reply.
    Task<Result<RedisReply>> command(std::vector<std::string_view> args);

    // A Lua script by its digest, sent whole where Redis does not have it yet.
    struct Script {
        std::string_view source;
        std::string sha1;
    };
    static Script make_script(std::string_view source);
    Task<Result<RedisReply>> run(const Script& script, std::vector<std::string> keys,
                                 std::vector<std::string> args);

    // The time of Redis' clock at which a command that is sent now may begin at the latest, in text form.
    // Scripts that write compare it with TIME: a frozen server runs what lies in its socket's buffer when it
    // wakes.
    std::string deadline() const;

    // To be called where Redis says that a deadline has passed that should not have: one of the clocks was
    // set.
    void measure_clock();

    const StoreMetrics& metrics() const { return metrics_; }

  private:
    struct Connection;
    struct Pending;

    Task<void> keep_connected();
    Task<bool> read_clock(const std::shared_ptr<Connection>& connection);
    Task<bool> connect(const std::shared_ptr<Connection>& connection);
    Task<bool> greet(const std::shared_ptr<Connection>& connection);
    Task<void> read_replies(std::shared_ptr<Connection> connection);
    Task<void> write_commands(std::shared_ptr<Connection> connection);
    Task<Result<RedisReply>> exchange(std::shared_ptr<Connection> connection,
                                      const std::vector<std::string_view>& args);
    void close(std::shared_ptr<Connection> connection, std::string_view why);
    void watch_oldest(const std::shared_ptr<Connection>& connection);

    Executor executor_;
    RedisAddress address_;
    Clock::duration limit_;
    StoreMetrics metrics_;
    std::shared_ptr<Connection> connection_; // nothing while down
    Millis clock_offset_ = 0;                // Redis' clock minus our steady one
    Timer retry_timer_;
    bool stopping_ = false;
};

} // namespace npcchat
