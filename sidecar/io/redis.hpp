// Redis for one event loop, as the stores use it: one server, a cluster, or a master that Sentinels know.
#pragma once

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/store_metrics.hpp"
#include "io/redis_link.hpp"
#include "io/redis_reply.hpp"
#include "io/redis_url.hpp"
#include "io/task.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// Everything answers 503 where Redis is down or does not answer in time: whether a command was carried out
// is then unknown.
class Redis {
  public:
    // `limit` bounds every command, with what it takes to find the server for it. Connects by itself, and
    // again after a connection is lost. `replicas` have to have what scripts that are `kept` have written.
    static std::unique_ptr<Redis> open(Executor executor, RedisUrl url, Clock::duration limit,
                                       int replicas = 0);
    virtual ~Redis();
    Redis(const Redis&) = delete;
    Redis& operator=(const Redis&) = delete;

    // A command whose first argument is its key, if it has any: in a cluster it goes where the key is. It may
    // be carried out twice. An error reply of Redis comes back as a reply.
    Task<Result<RedisReply>> command(RedisCommand command);

    // Commands whose first arguments are keys with the same hash tag, in this order, and all their replies.
    // They are sent together, so others' commands may come between them; any of them may be carried out
    // twice, and later ones again after it. 503 where Redis refuses one.
    Task<Result<std::vector<RedisReply>>> commands(std::span<const RedisCommand> commands);

    // A Lua script by its digest, sent whole where Redis does not have it yet.
    struct Script {
        std::string_view source;
        std::string sha1;
        bool repeatable = false;
        bool kept = false;
    };
    // Whether a script that is carried out twice with the same arguments does and says what it does once.
    // Only then is it sent again where a connection was lost before its answer came.
    enum class Repeat { never, safe };
    static Script make_script(std::string_view source, Repeat repeat = Repeat::never);
    // One that writes, also where it is repeated, and whose answer waits for the replicas: it is safe, and
    // 503 where they do not have in time what it wrote.
    static Script make_kept_script(std::string_view source);

    // All keys have the same hash tag.
    Task<Result<RedisReply>> run(const Script& script, std::vector<std::string> keys,
                                 std::vector<std::string> args);

    // Some of the keys that match, perhaps twice. A cursor of "0" begins, and is given back at the end. Keys
    // that come meanwhile, or move from one of a cluster's nodes to another, may be missed.
    struct ScanPage {
        std::string cursor;
        std::vector<std::string> keys;
    };
    virtual Task<Result<ScanPage>> scan(std::string cursor, std::string pattern, int count) = 0;

    // Whether commands can be carried out.
    virtual Task<Result<void>> ping() = 0;

    // Redis' clock, as far as is known here. Nodes of a cluster must agree on the time.
    Millis now() const { return steady_ms() + clock_offset(); }
    Millis limit() const { return std::chrono::duration_cast<std::chrono::milliseconds>(limit_).count(); }

    // The time of Redis' clock at which a command that is sent now may begin at the latest, in text form.
    // Scripts that write compare it with TIME: a frozen server runs what lies in its socket's buffer when it
    // wakes.
    std::string deadline() const { return std::to_string(now() + limit()); }

    // To be called where Redis says that a deadline has passed that should not have: one of the clocks was
    // set.
    virtual void measure_clock() = 0;

    const StoreMetrics& metrics() const { return *metrics_; }

  protected:
    struct Request {
        const RedisCommand& command;
        std::string_view key; // empty: any server will do
        bool repeatable = false;
        const RedisHost* node = nullptr; // of a cluster: this one and no other
        bool kept = false;
        Clock::time_point deadline = Clock::time_point::max(); // where `limit` is not before it
    };

    Redis(Executor executor, RedisUrl url, Clock::duration limit)
        : executor_(executor), url_(std::move(url)), limit_(limit) {}

    virtual Task<Result<RedisReply>> exchange(const Request& request) = 0;
    // The connection to whom the request is for, where it is open; else null.
    virtual std::shared_ptr<RedisLink> link_for(const Request& request) = 0;
    virtual Millis clock_offset() const = 0; // Redis' clock minus our steady one
    // On this connection; and for what is to be kept, waits for the replicas.
    Task<Result<RedisReply>> exchange_on(std::shared_ptr<RedisLink> link, const Request& request,
                                         Clock::time_point deadline);

    // Closed at the end of this object, if not before.
    std::shared_ptr<RedisLink> make_link(RedisHost host, Clock::duration limit);

    static RedisCommand scan_command(std::string_view cursor, std::string_view pattern,
                                     std::string_view count);
    // The cursor is the server's own.
    static Result<ScanPage> scan_page(const Result<RedisReply>& reply);

    Executor executor_;
    RedisUrl url_;
    Clock::duration limit_;

  private:
    Task<Result<RedisReply>> exchange_kept(std::shared_ptr<RedisLink> link, const Request& request,
                                           Clock::time_point deadline);

    int replicas_ = 0;
    std::shared_ptr<StoreMetrics> metrics_ = std::make_shared<StoreMetrics>();
    std::vector<std::weak_ptr<RedisLink>> links_;
};

} // namespace npcchat
