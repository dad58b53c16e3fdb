#include "session/redis_idempotency_store.hpp"

#include "base/ids.hpp"
#include "session/script_text.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

// KEYS: the hash (body: digest of the request's; token: of who runs it; answer). ARGV begins with the
// deadline, in milliseconds of Redis' clock.
#define LATE SCRIPT_IN_TIME("ARGV[1]", "{'late'}")

// ARGV: deadline, digest of the body, token, life in ms.
constexpr std::string_view kBegin = LATE R"(
local known = redis.call('HMGET', KEYS[1], 'body', 'answer')
if not known[1] then
    redis.call('HSET', KEYS[1], 'body', ARGV[2], 'token', ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return {'none'}
end
if known[1] ~= ARGV[2] then return {'other'} end
if known[2] then return {'answered', known[2]} end
if redis.call('HGET', KEYS[1], 'token') == ARGV[3] then return {'none'} end
return {'running'}
)";

// ARGV: deadline, token, life in ms.
constexpr std::string_view kRenew = LATE R"(
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[2] then return {'lost'} end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'ok'}
)";

// ARGV: deadline, token, life in ms, answer.
constexpr std::string_view kFinish = LATE R"(
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[2] then return {'lost'} end
redis.call('HSET', KEYS[1], 'answer', ARGV[4])
redis.call('HDEL', KEYS[1], 'token')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'ok'}
)";

// ARGV: token. Has no deadline: it is right whenever it happens.
constexpr std::string_view kAbandon = R"(
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
)";
#undef LATE

template <const std::string_view& source> const Redis::Script& script() {
    static const Redis::Script made = Redis::make_script(source, Redis::Repeat::safe);
    return made;
}

constexpr std::size_t kTokenBytes = 16;

std::vector<std::string> keys_of(const IdempotencyKey& key) {
    return {fmt::format("npcchat:{{u:{}}}:once:{}", key.user_id, key.digest)};
}

} // namespace

Task<Result<Repeat>> RedisIdempotencyStore::begin(IdempotencyKey key, std::string body_digest) {
    Repeat repeat;
    repeat.running = Running{std::move(key), random_token(kTokenBytes)};
    auto reply = co_await redis_.run(
        script<kBegin>(), keys_of(repeat.running.key),
        {redis_.deadline(), std::move(body_digest), repeat.running.token, std::to_string(kRunningMillis)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    const RedisReply& parts = *reply;
    const std::string_view state = parts.size() > 0 ? parts[0].text() : "";
    if (state == "late") redis_.measure_clock();
    if (state == "none") co_return repeat;
    if (state == "running")
        repeat.state = Repeat::State::running;
    else if (state == "other")
        repeat.state = Repeat::State::other_body;
    else if (state == "answered" && parts.size() > 1)
        repeat.state = Repeat::State::answered;
    else
        co_return store_unavailable();
    if (repeat.state == Repeat::State::answered) repeat.answer = parts[1].text();
    co_return repeat;
}

Task<void> RedisIdempotencyStore::renew(Running running) {
    co_await redis_.run(script<kRenew>(), keys_of(running.key),
                        {redis_.deadline(), running.token, std::to_string(kRunningMillis)});
}

Task<Result<void>> RedisIdempotencyStore::finish(Running running, std::string answer) {
    auto reply = co_await redis_.run(
        script<kFinish>(), keys_of(running.key),
        {redis_.deadline(), running.token, std::to_string(kAnswerMillis), std::move(answer)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    co_return Result<void>();
}

Task<void> RedisIdempotencyStore::abandon(Running running) {
    co_await redis_.run(script<kAbandon>(), keys_of(running.key), {running.token});
}

} // namespace npcchat
