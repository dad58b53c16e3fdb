#include "io/redis_single.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

constexpr Clock::duration kFirstBackoff = 50ms;
constexpr Clock::duration kMaxBackoff = 1s;

Task<Result<RedisReply>> unavailable() {
    co_return store_unavailable();
}

} // namespace

RedisSingle::RedisSingle(Executor executor, RedisUrl url, Clock::duration limit)
    : Redis(executor, std::move(url), limit), retry_timer_(executor) {
    // On the loop's next turn: only then the object is whole, and what it overrides is called.
    asio::post(executor_, [this] { spawn(executor_, "redis", [this] { return keep_connected(); }); });
}

Task<void> RedisSingle::keep_connected() {
    Clock::duration backoff = kFirstBackoff;
    error_code ignored;
    while (!stopping_) {
        auto link = co_await connect();
        if (link) {
            link_ = link;
            clock_offset_ = link->clock_offset();
            backoff = kFirstBackoff;
            log(Level::info, "Redis connected", {{"server", std::string_view(to_string(link->host()))}});
            co_await link->wait_closed();
            link_.reset();
        }
        retry_timer_.expires_after(backoff);
        co_await retry_timer_.async_wait(asio::redirect_error(use_task, ignored));
        backoff = std::min(backoff * 2, kMaxBackoff);
    }
}

// Nothing where it failed.
Task<std::shared_ptr<RedisLink>> RedisSingle::connect() {
    auto host = co_await find_server();
    if (!host) co_return nullptr;
    auto link = make_link(std::move(*host), limit_);
    bool ready = co_await link->connect();
    if (ready) ready = co_await link->greet(url_);
    if (ready) ready = co_await check_server(link);
    if (!ready) co_return nullptr;
    co_return link;
}

Task<std::optional<RedisHost>> RedisSingle::find_server() {
    co_return url_.hosts.front();
}

Task<bool> RedisSingle::check_server(std::shared_ptr<RedisLink>) {
    co_return true;
}

Task<Result<RedisReply>> RedisSingle::exchange(const Request& request) {
    return link_ ? exchange_on(link_, request, request.deadline) : unavailable();
}

Task<Result<Redis::ScanPage>> RedisSingle::scan(std::string cursor, std::string pattern, int count) {
    const std::string limit = std::to_string(count);
    const RedisCommand command = scan_command(cursor, pattern, limit);
    const Request request{command, {}, true};
    const auto reply = co_await exchange(request);
    co_return scan_page(reply);
}

Task<Result<void>> RedisSingle::ping() {
    const RedisCommand command{"PING"};
    const Request request{command, {}, true};
    auto reply = co_await exchange(request);
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (reply->is_error()) co_return store_unavailable();
    co_return Result<void>();
}

void RedisSingle::measure_clock() {
    spawn(executor_, "redis clock", [this, link = link_]() -> Task<void> {
        if (!link) co_return;
        const bool read = co_await link->read_clock();
        if (read) clock_offset_ = link->clock_offset();
    });
}

} // namespace npcchat
