#include "io/redis_link.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <hiredis/hiredis.h>

namespace npcchat {
namespace {

using boost::system::error_code;
using Tcp = asio::ip::tcp;

constexpr std::size_t kMostOfLength = 24; // '$', 20 digits at most, CR, LF

char* write_length(char* at, char kind, std::size_t length) {
    *at++ = kind;
    at = std::to_chars(at, at + kMostOfLength, length).ptr;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

// The request form of the protocol: an array of bulk strings (https://redis.io/docs/reference/protocol-spec).
void append_command(std::string& out, const RedisCommand& command) {
    std::size_t most = out.size() + kMostOfLength;
    for (const std::string_view part : command)
        most += kMostOfLength + part.size() + 2;
    out.resize_and_overwrite(most, [&, begin = out.size()](char* text, std::size_t) {
        char* at = write_length(text + begin, '*', command.size());
        for (const std::string_view part : command) {
            at = std::ranges::copy(part, write_length(at, '$', part.size())).out;
            *at++ = '\r';
            *at++ = '\n';
        }
        return static_cast<std::size_t>(at - text);
    });
}

} // namespace

void RedisLink::ReaderFree::operator()(redisReader* reader) const {
    redisReaderFree(reader);
}

RedisLink::RedisLink(Executor executor, RedisHost host, Clock::duration limit,
                     std::shared_ptr<StoreMetrics> metrics)
    : executor_(executor), host_(std::move(host)), limit_(limit), metrics_(std::move(metrics)),
      socket_(executor), reader_(redisReaderCreate()), timer_(executor),
      closed_(executor, Clock::time_point::max()) {}

void RedisLink::close(std::string_view why) {
    if (state_ == State::closed) return;
    retire(why);
    state_ = State::closed;
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
    for (Pending& pending : pending_)
        wake(std::move(pending.resume));
    pending_.clear();
}

// A server that was silent may still carry out what it has been sent. So nobody is told of a failure before
// their own deadline, which scripts know too.
void RedisLink::retire(std::string_view why) {
    if (state_ != State::open) return;
    state_ = State::retired;
    closed_.cancel();
    if (!why.empty())
        log(Level::error, "Redis connection lost",
            {{"server", std::string_view(to_string(host_))}, {"error", why}});
}

bool RedisLink::is_awaited() const {
    return std::ranges::any_of(pending_, [](const Pending& pending) { return pending.resume != nullptr; });
}

// Never at once: what it wakes may be what has called us.
void RedisLink::wake(Resume<Result<RedisReply>> resume) {
    if (!resume) return;
    asio::post(executor_, [resume = std::move(resume)]() mutable { resume(store_unavailable()); });
}

Task<void> RedisLink::wait_closed() {
    const auto self = shared_from_this();
    if (!is_open()) co_return;
    error_code ignored;
    co_await closed_.async_wait(asio::redirect_error(use_task, ignored));
}

Task<std::vector<RedisLink::Socket::endpoint_type>> RedisLink::find_endpoints(error_code& error) {
    std::vector<Socket::endpoint_type> endpoints;
    if (host_.port.empty()) {
        endpoints.emplace_back(asio::local::stream_protocol::endpoint(host_.name));
        co_return endpoints;
    }
    asio::ip::basic_resolver<Tcp, Executor> resolver(executor_);
    for (const auto& found :
         co_await resolver.async_resolve(host_.name, host_.port, asio::redirect_error(use_task, error)))
        endpoints.emplace_back(found.endpoint());
    co_return endpoints;
}

Task<bool> RedisLink::connect() {
    const auto self = shared_from_this();
    timer_.expires_after(limit_);
    timer_.async_wait([self](error_code error) {
        if (!error) self->close("no connection within the deadline");
    });
    error_code error;
    const auto endpoints = co_await find_endpoints(error);
    if (!error && is_open()) {
        co_await asio::async_connect(socket_, endpoints, asio::redirect_error(use_task, error));
    }
    timer_.cancel();
    if (error) close(error.message());
    if (!is_open()) co_return false;
    socket_.set_option(Tcp::no_delay(true), error); // a unix socket knows no delay, and refuses
    spawn(executor_, "redis reader", [self] { return self->read_replies(); });
    co_return true;
}

Task<bool> RedisLink::greet(const RedisUrl& url) {
    const auto self = shared_from_this();
    std::vector<RedisCommand> commands;
    const std::string database = std::to_string(url.database);
    if (!url.user.empty())
        commands.push_back({"AUTH", url.user, url.password});
    else if (!url.password.empty())
        commands.push_back({"AUTH", url.password});
    if (url.database != 0) commands.push_back({"SELECT", database});
    for (const auto& command : commands) {
        const auto reply = co_await exchange(command);
        if (!reply) co_return false;
        if (reply->is_error()) {
            close(reply->text());
            co_return false;
        }
    }
    co_return co_await read_clock();
}

Task<bool> RedisLink::read_clock() {
    const auto self = shared_from_this();
    const RedisCommand command{"TIME"};
    const auto time = co_await exchange(command);
    if (!time) co_return false;
    if (time->size() != 2) {
        close(time->is_error() ? time->text() : "bad reply");
        co_return false;
    }
    clock_offset_ = (*time)[0].integer() * 1000 + (*time)[1].integer() / 1000 - steady_ms();
    co_return true;
}

Task<void> RedisLink::read_replies() {
    const auto self = shared_from_this();
    std::array<char, 16384> bytes;
    while (state_ != State::closed) {
        error_code error;
        const std::size_t size =
            co_await socket_.async_read_some(asio::buffer(bytes), asio::redirect_error(use_task, error));
        if (error || redisReaderFeed(reader_.get(), bytes.data(), size) != REDIS_OK) {
            close(error ? std::string_view(error.message()) : "bad reply");
            co_return;
        }
        for (;;) {
            void* reply = nullptr;
            if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) close("bad reply");
            if (!reply) break;
            RedisReply whole(static_cast<redisReply*>(reply));
            if (pending_.empty()) break; // closed meanwhile
            Pending pending = std::move(pending_.front());
            pending_.pop_front();
            if (pending.resume) pending.resume(std::move(whole));
        }
        if (state_ == State::retired && !is_awaited()) close({});
    }
}

Task<void> RedisLink::write_commands() {
    const auto self = shared_from_this();
    while (!out_.empty() && state_ != State::closed) {
        const std::string bytes = std::exchange(out_, {});
        error_code error;
        co_await asio::async_write(socket_, asio::buffer(bytes), asio::redirect_error(use_task, error));
        if (error) close(error.message());
    }
    writing_ = false;
}

void RedisLink::append(const RedisCommand& command) {
    append_command(out_, command);
    if (writing_) return;
    // Starts on the loop's next turn: commands of one turn leave in one write.
    writing_ = true;
    spawn(executor_, "redis writer", [self = shared_from_this()] { return self->write_commands(); });
}

void RedisLink::push(Resume<Result<RedisReply>> resume, Clock::time_point deadline) {
    const auto closes = Clock::now() + limit_;
    deadline = std::min(deadline, closes);
    pending_.push_back({std::move(resume), deadline, closes});
    if (deadline < watched_) watch(deadline);
}

void RedisLink::watch(Clock::time_point deadline) {
    watched_ = deadline;
    timer_.expires_at(deadline);
    timer_.async_wait([self = shared_from_this()](error_code error) {
        if (!error && self->state_ != State::closed) self->expire();
    });
}

void RedisLink::expire() {
    const auto now = Clock::now();
    watched_ = Clock::time_point::max();
    Clock::time_point next = Clock::time_point::max();
    for (Pending& pending : pending_) {
        if (pending.closes <= now) retire("no answer within the deadline");
        if (pending.deadline <= now) {
            wake(std::exchange(pending.resume, nullptr));
            pending.deadline = pending.closes > now ? pending.closes : Clock::time_point::max();
        }
        next = std::min(next, pending.deadline);
    }
    if (state_ == State::retired && !is_awaited()) return close({});
    if (next != Clock::time_point::max()) watch(next);
}

Task<Result<RedisReply>> RedisLink::exchange(const RedisCommand& command, Clock::time_point deadline) {
    if (!is_open()) co_return store_unavailable();
    const auto self = shared_from_this();
    const StoreMetrics::Use use(*metrics_);
    append(command);
    co_return co_await suspend<Result<RedisReply>>(
        [this, deadline](Resume<Result<RedisReply>> resume) { push(std::move(resume), deadline); });
}

// With one deadline for all, who waits for the last one is woken after all others.
Task<Result<std::vector<RedisReply>>> RedisLink::exchange_all(std::span<const RedisCommand> commands,
                                                              Clock::time_point deadline) {
    if (!is_open()) co_return store_unavailable();
    const auto self = shared_from_this();
    const StoreMetrics::Use use(*metrics_);
    std::vector<RedisReply> replies;
    replies.reserve(commands.size());
    for (const RedisCommand& command : commands.first(commands.size() - 1)) {
        append(command);
        push(
            [&replies](Result<RedisReply> reply) {
                if (reply) replies.push_back(std::move(*reply));
            },
            deadline);
    }
    append(commands.back());
    auto last = co_await suspend<Result<RedisReply>>(
        [this, deadline](Resume<Result<RedisReply>> resume) { push(std::move(resume), deadline); });
    if (!last || replies.size() + 1 != commands.size()) co_return store_unavailable();
    replies.push_back(std::move(*last));
    co_return replies;
}

void RedisLink::send(const RedisCommand& command) {
    if (!is_open()) return;
    append(command);
    push(nullptr, Clock::time_point::max());
}

} // namespace npcchat
