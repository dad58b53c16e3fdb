#include "io/redis.hpp"

#include "base/log.hpp"
#include "base/number.hpp"
#include "base/percent.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <openssl/sha.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

constexpr Clock::duration kFirstBackoff = 50ms;
constexpr Clock::duration kMaxBackoff = 1s;

struct ReaderFree {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
};

// The request form of the protocol: an array of bulk strings (https://redis.io/docs/reference/protocol-spec).
void append_length(std::string& out, char kind, std::size_t length) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), length).ptr;
    out.push_back(kind);
    out.append(digits.data(), end).append("\r\n");
}

void append_command(std::string& out, const std::vector<std::string_view>& args) {
    append_length(out, '*', args.size());
    for (const std::string_view arg : args) {
        append_length(out, '$', arg.size());
        out.append(arg).append("\r\n");
    }
}

} // namespace

RedisReply::RedisReply(redisReply* reply) : whole_(reply, freeReplyObject), part_(reply) {}
RedisReply::RedisReply(std::shared_ptr<redisReply> whole, const redisReply* part)
    : whole_(std::move(whole)), part_(part) {}

bool RedisReply::is_nil() const {
    return part_->type == REDIS_REPLY_NIL;
}

bool RedisReply::is_error() const {
    return part_->type == REDIS_REPLY_ERROR;
}

std::int64_t RedisReply::integer() const {
    if (part_->type == REDIS_REPLY_INTEGER) return part_->integer;
    std::int64_t number = 0;
    const std::string_view digits = text();
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

std::string_view RedisReply::text() const {
    const bool has_text =
        part_->type == REDIS_REPLY_STRING || part_->type == REDIS_REPLY_STATUS || is_error();
    return has_text ? std::string_view(part_->str, part_->len) : std::string_view();
}

std::size_t RedisReply::size() const {
    return part_->type == REDIS_REPLY_ARRAY ? part_->elements : 0;
}

RedisReply RedisReply::operator[](std::size_t index) const {
    return RedisReply(whole_, part_->element[index]);
}

std::expected<RedisAddress, std::string> parse_redis_url(std::string_view url) {
    const auto wrong = [](std::string_view what) {
        return std::unexpected(fmt::format("{}: write redis://[user:password@]host[:port][/db]", what));
    };
    constexpr std::string_view kScheme = "redis://";
    if (!url.starts_with(kScheme)) return wrong("the scheme is not redis://");
    url.remove_prefix(kScheme.size());
    RedisAddress address;
    if (const auto at = url.rfind('@'); at != url.npos) {
        const std::string_view credentials = url.substr(0, at);
        const auto colon = credentials.find(':');
        if (colon == credentials.npos) return wrong("user and password are not divided by ':'");
        auto user = decode_component(credentials.substr(0, colon));
        auto password = decode_component(credentials.substr(colon + 1));
        if (!user || !password) return wrong("user or password are not percent-encoded");
        address.user = std::move(*user);
        address.password = std::move(*password);
        url.remove_prefix(at + 1);
    }
    if (const auto slash = url.find('/'); slash != url.npos) {
        const std::string_view db = url.substr(slash + 1);
        const auto number = db.empty() ? std::optional(0) : parse_number<int>(db);
        if (!number || *number < 0) return wrong("the database is not a number");
        address.database = *number;
        url = url.substr(0, slash);
    }
    if (const auto colon = url.rfind(':'); colon != url.npos && !url.ends_with(']')) {
        address.port = std::string(url.substr(colon + 1));
        url = url.substr(0, colon);
    }
    if (url.starts_with('[') && url.ends_with(']')) url = url.substr(1, url.size() - 2);
    address.host = std::string(url);
    if (address.host.empty()) return wrong("the host is missing");
    if (parse_number<std::uint16_t>(address.port).value_or(0) == 0)
        return wrong("the port is not 1 to 65535");
    return address;
}

struct Redis::Pending {
    Resume<Result<RedisReply>> resume;
    Clock::time_point deadline;
};

struct Redis::Connection {
    explicit Connection(Executor executor) : socket(executor), timer(executor), closed_signal(executor) {
        closed_signal.expires_at(Clock::time_point::max());
    }
    asio::basic_stream_socket<Tcp, Executor> socket;
    std::unique_ptr<redisReader, ReaderFree> reader{redisReaderCreate()};
    std::string out;
    bool writing = false;
    bool closed = false;
    bool watched = false; // the timer runs for the oldest pending command
    std::deque<Pending> pending;
    Timer timer;
    Timer closed_signal;
};

Redis::Redis(Executor executor, RedisAddress address, Clock::duration limit)
    : executor_(executor), address_(std::move(address)), limit_(limit), retry_timer_(executor) {
    spawn(executor_, "redis", [this] { return keep_connected(); });
}

Redis::~Redis() {
    stopping_ = true;
    if (connection_) close(connection_, {});
}

void Redis::close(std::shared_ptr<Connection> connection, std::string_view why) {
    if (connection->closed) return;
    connection->closed = true;
    error_code ignored;
    connection->socket.close(ignored);
    connection->timer.cancel();
    connection->closed_signal.cancel();
    if (connection_ == connection) connection_.reset();
    if (!why.empty()) log(Level::error, "Redis connection lost", {{"error", why}});
    for (Pending& pending : connection->pending) {
        asio::post(executor_,
                   [resume = std::move(pending.resume)]() mutable { resume(store_unavailable()); });
    }
    connection->pending.clear();
}

Task<void> Redis::keep_connected() {
    Clock::duration backoff = kFirstBackoff;
    while (!stopping_) {
        auto connection = std::make_shared<Connection>(executor_);
        const bool ready = co_await connect(connection);
        if (ready) {
            connection_ = connection;
            backoff = kFirstBackoff;
            log(Level::info, "Redis connected");
            error_code ignored;
            co_await connection->closed_signal.async_wait(asio::redirect_error(use_task, ignored));
        }
        error_code ignored;
        retry_timer_.expires_after(backoff);
        co_await retry_timer_.async_wait(asio::redirect_error(use_task, ignored));
        backoff = std::min(backoff * 2, kMaxBackoff);
    }
}

Task<bool> Redis::connect(const std::shared_ptr<Connection>& connection) {
    connection->timer.expires_after(limit_);
    connection->timer.async_wait([this, connection](error_code error) {
        if (!error) close(connection, "no connection within the deadline");
    });
    error_code error;
    asio::ip::basic_resolver<Tcp, Executor> resolver(executor_);
    auto endpoints =
        co_await resolver.async_resolve(address_.host, address_.port, asio::redirect_error(use_task, error));
    if (!error) {
        co_await asio::async_connect(connection->socket, endpoints, asio::redirect_error(use_task, error));
    }
    connection->timer.cancel();
    if (error || connection->closed) {
        close(connection, error ? std::string_view(error.message()) : "no connection within the deadline");
        co_return false;
    }
    connection->socket.set_option(Tcp::no_delay(true), error);
    spawn(executor_, "redis reader", [this, connection] { return read_replies(connection); });
    co_return co_await greet(connection);
}

Task<bool> Redis::greet(const std::shared_ptr<Connection>& connection) {
    std::vector<std::vector<std::string_view>> commands;
    const std::string database = std::to_string(address_.database);
    if (!address_.user.empty())
        commands.push_back({"AUTH", address_.user, address_.password});
    else if (!address_.password.empty())
        commands.push_back({"AUTH", address_.password});
    if (address_.database != 0) commands.push_back({"SELECT", database});
    for (const auto& command : commands) {
        const auto reply = co_await exchange(connection, command);
        if (!reply) co_return false;
        if (reply->is_error()) {
            close(connection, reply->text());
            co_return false;
        }
    }
    co_return co_await read_clock(connection);
}

Task<bool> Redis::read_clock(const std::shared_ptr<Connection>& connection) {
    const auto time = co_await exchange(connection, {"TIME"});
    if (!time) co_return false;
    if (time->size() != 2) {
        close(connection, time->text());
        co_return false;
    }
    clock_offset_ = (*time)[0].integer() * 1000 + (*time)[1].integer() / 1000 - steady_ms();
    co_return true;
}

void Redis::measure_clock() {
    spawn(executor_, "redis clock",
          [this, connection = connection_]() -> Task<void> { co_await read_clock(connection); });
}

std::string Redis::deadline() const {
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(limit_).count();
    return std::to_string(steady_ms() + clock_offset_ + limit);
}

Task<void> Redis::read_replies(std::shared_ptr<Connection> connection) {
    std::array<char, 16384> bytes;
    while (!connection->closed) {
        error_code error;
        const std::size_t size = co_await connection->socket.async_read_some(
            asio::buffer(bytes), asio::redirect_error(use_task, error));
        if (error || redisReaderFeed(connection->reader.get(), bytes.data(), size) != REDIS_OK) {
            close(connection, error ? std::string_view(error.message()) : "bad reply");
            co_return;
        }
        for (;;) {
            void* reply = nullptr;
            if (redisReaderGetReply(connection->reader.get(), &reply) != REDIS_OK)
                close(connection, "bad reply");
            if (!reply) break;
            RedisReply whole(static_cast<redisReply*>(reply));
            if (connection->pending.empty()) break; // closed meanwhile
            Pending pending = std::move(connection->pending.front());
            connection->pending.pop_front();
            pending.resume(std::move(whole));
        }
    }
}

Task<void> Redis::write_commands(std::shared_ptr<Connection> connection) {
    while (!connection->out.empty() && !connection->closed) {
        const std::string bytes = std::exchange(connection->out, {});
        error_code error;
        co_await asio::async_write(connection->socket, asio::buffer(bytes),
                                   asio::redirect_error(use_task, error));
        if (error) close(connection, error.message());
    }
    connection->writing = false;
}

void Redis::watch_oldest(const std::shared_ptr<Connection>& connection) {
    if (connection->watched || connection->pending.empty()) return;
    connection->watched = true;
    connection->timer.expires_at(connection->pending.front().deadline);
    connection->timer.async_wait([this, connection](error_code error) {
        if (error) return;
        connection->watched = false;
        // Replies come in order: behind a command without one, all others wait too.
        const bool late =
            !connection->pending.empty() && connection->pending.front().deadline <= Clock::now();
        if (late)
            close(connection, "no answer within the deadline");
        else
            watch_oldest(connection);
    });
}

Task<Result<RedisReply>> Redis::exchange(std::shared_ptr<Connection> connection,
                                         const std::vector<std::string_view>& args) {
    if (!connection || connection->closed) co_return store_unavailable();
    const StoreMetrics::Use use(metrics_);
    append_command(connection->out, args);
    if (!connection->writing) {
        // Starts on the loop's next turn: commands of one turn leave in one write.
        connection->writing = true;
        spawn(executor_, "redis writer", [this, connection] { return write_commands(connection); });
    }
    co_return co_await suspend<Result<RedisReply>>([this, connection](Resume<Result<RedisReply>> resume) {
        connection->pending.push_back({std::move(resume), Clock::now() + limit_});
        watch_oldest(connection);
    });
}

Task<Result<RedisReply>> Redis::command(std::vector<std::string_view> args) {
    co_return co_await exchange(connection_, args);
}

Redis::Script Redis::make_script(std::string_view source) {
    std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
    SHA1(reinterpret_cast<const unsigned char*>(source.data()), source.size(), digest.data());
    std::string hex;
    for (const unsigned char byte : digest)
        fmt::format_to(std::back_inserter(hex), "{:02x}", byte);
    return Script{source, std::move(hex)};
}

Task<Result<RedisReply>> Redis::run(const Script& script, std::vector<std::string> keys,
                                    std::vector<std::string> args) {
    const std::string key_count = std::to_string(keys.size());
    std::vector<std::string_view> parts{"EVALSHA", script.sha1, key_count};
    parts.insert(parts.end(), keys.begin(), keys.end());
    parts.insert(parts.end(), args.begin(), args.end());
    auto reply = co_await exchange(connection_, parts);
    if (reply && reply->is_error() && reply->text().starts_with("NOSCRIPT")) {
        parts[0] = "EVAL";
        parts[1] = script.source;
        reply = co_await exchange(connection_, parts);
    }
    if (reply && reply->is_error()) {
        log(Level::error, "Redis refused a script", {{"error", reply->text()}});
        co_return store_unavailable();
    }
    co_return reply;
}

} // namespace npcchat
