// One connection to one Redis server, pipelined: hiredis' protocol code on an Asio socket.
#pragma once

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/store_metrics.hpp"
#include "io/redis_reply.hpp"
#include "io/redis_url.hpp"
#include "io/task.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct redisReader;

namespace npcchat {

using RedisCommand = std::vector<std::string_view>;

// Made with make_shared; lives until it is closed, and until the last command on it has ended.
class RedisLink : public std::enable_shared_from_this<RedisLink> {
  public:
    // Takes no further command once one has had no answer for `limit`.
    RedisLink(Executor executor, RedisHost host, Clock::duration limit,
              std::shared_ptr<StoreMetrics> metrics);

    // Connects. False where that fails within `limit`; it is closed then, and the log says why.
    Task<bool> connect();
    // Authenticates, selects the database, reads the server's clock; else as connect().
    Task<bool> greet(const RedisUrl& url);
    Task<bool> read_clock();

    // 503 where there was no answer for `limit`, or until a deadline before that, or the connection was lost.
    // An error reply of Redis comes back as a reply.
    Task<Result<RedisReply>> exchange(const RedisCommand& command,
                                      Clock::time_point deadline = Clock::time_point::max());
    // One command right after the other, and all their replies. `commands` is not empty; the deadline is not
    // after `limit` from now.
    Task<Result<std::vector<RedisReply>>> exchange_all(std::span<const RedisCommand> commands,
                                                       Clock::time_point deadline);
    // Goes out before the next exchange(), and nobody waits for the answer.
    void send(const RedisCommand& command);

    // `why` is for the log; empty: nothing to tell.
    void close(std::string_view why);
    // Until it takes no further command.
    Task<void> wait_closed();

    bool is_open() const { return state_ == State::open; }
    bool is_idle() const { return pending_.empty(); }
    const RedisHost& host() const { return host_; }
    Millis clock_offset() const { return clock_offset_; } // the server's clock minus our steady one

  private:
    using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;
    struct ReaderFree {
        void operator()(redisReader* reader) const;
    };
    struct Pending {
        Resume<Result<RedisReply>> resume; // empty: nobody waits any more
        Clock::time_point deadline;
        Clock::time_point closes; // when the server counts as dead
    };

    enum class State {
        open,    // or about to be
        retired, // takes no command; the answers of those that were sent are awaited until their deadlines
        closed
    };

    Task<std::vector<Socket::endpoint_type>> find_endpoints(boost::system::error_code& error);
    void append(const RedisCommand& command);
    void push(Resume<Result<RedisReply>> resume, Clock::time_point deadline);
    void watch(Clock::time_point deadline);
    void expire();
    void retire(std::string_view why);
    bool is_awaited() const;
    void wake(Resume<Result<RedisReply>> resume);
    Task<void> read_replies();
    Task<void> write_commands();

    Executor executor_;
    const RedisHost host_;
    const Clock::duration limit_;
    const std::shared_ptr<StoreMetrics> metrics_;
    Socket socket_;
    std::unique_ptr<redisReader, ReaderFree> reader_;
    std::string out_;
    bool writing_ = false;
    State state_ = State::open;
    std::deque<Pending> pending_;
    Timer timer_;
    Clock::time_point watched_ = Clock::time_point::max(); // when the timer fires
    Timer closed_;
    Millis clock_offset_ = 0;
};

} // namespace npcchat
