#include "io/redis.hpp"

#include "base/log.hpp"
#include "io/redis_cluster.hpp"
#include "io/redis_sentinel.hpp"
#include "io/redis_single.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <openssl/sha.h>

namespace npcchat {

std::unique_ptr<Redis> Redis::open(Executor executor, RedisUrl url, Clock::duration limit, int replicas) {
    std::unique_ptr<Redis> redis;
    switch (url.kind) {
    case RedisUrl::Kind::cluster:
        redis = std::make_unique<RedisCluster>(executor, std::move(url), limit);
        break;
    case RedisUrl::Kind::sentinel:
        redis = std::make_unique<RedisSentinel>(executor, std::move(url), limit);
        break;
    case RedisUrl::Kind::single:
        redis = std::make_unique<RedisSingle>(executor, std::move(url), limit);
        break;
    }
    redis->replicas_ = replicas;
    return redis;
}

Redis::~Redis() {
    for (const auto& weak : links_) {
        if (const auto link = weak.lock()) link->close({});
    }
}

std::shared_ptr<RedisLink> Redis::make_link(RedisHost host, Clock::duration limit) {
    std::erase_if(links_, [](const auto& weak) { return weak.expired(); });
    auto link = std::make_shared<RedisLink>(executor_, std::move(host), limit, metrics_);
    links_.push_back(link);
    return link;
}

Task<Result<RedisReply>> Redis::command(RedisCommand command) {
    const Request request{command, command.size() > 1 ? command[1] : std::string_view(), true};
    co_return co_await exchange(request);
}

Task<Result<std::vector<RedisReply>>> Redis::commands(std::span<const RedisCommand> commands) {
    Request request{commands.front(), commands.front()[1], true};
    request.deadline = Clock::now() + limit_;
    if (const auto link = link_for(request)) {
        auto replies = co_await link->exchange_all(commands, request.deadline);
        if (replies && std::ranges::none_of(*replies, &RedisReply::is_error)) co_return replies;
        if (Clock::now() >= request.deadline) co_return store_unavailable();
    }
    // Each finds by itself who has the key now; the order stays, as each waits for the one before.
    std::vector<RedisReply> replies;
    for (const RedisCommand& command : commands) {
        const Request one{command, request.key, true, nullptr, false, request.deadline};
        auto reply = co_await exchange(one);
        if (!reply) co_return std::unexpected(std::move(reply.error()));
        if (reply->is_error()) {
            log(Level::error, "Redis refused a command", {{"error", reply->text()}});
            co_return store_unavailable();
        }
        replies.push_back(std::move(*reply));
    }
    co_return replies;
}

Redis::Script Redis::make_script(std::string_view source, Repeat repeat) {
    std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
    SHA1(reinterpret_cast<const unsigned char*>(source.data()), source.size(), digest.data());
    std::string hex;
    for (const unsigned char byte : digest)
        fmt::format_to(std::back_inserter(hex), "{:02x}", byte);
    return Script{source, std::move(hex), repeat == Repeat::safe};
}

Redis::Script Redis::make_kept_script(std::string_view source) {
    Script script = make_script(source, Repeat::safe);
    script.kept = true;
    return script;
}

Task<Result<RedisReply>> Redis::exchange_on(std::shared_ptr<RedisLink> link, const Request& request,
                                            Clock::time_point deadline) {
    if (request.kept && replicas_ > 0) return exchange_kept(std::move(link), request, deadline);
    return link->exchange(request.command, deadline);
}

// WAIT is about what this connection wrote last, and holds up what follows on it. That is one question and
// answer between master and replica, which all that was written before it shares.
Task<Result<RedisReply>> Redis::exchange_kept(std::shared_ptr<RedisLink> link, const Request& request,
                                              Clock::time_point deadline) {
    auto reply = co_await link->exchange(request.command, deadline);
    if (!reply || reply->is_error()) co_return reply;
    const std::string count = std::to_string(replicas_);
    const std::string millis =
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(limit_ / 2).count());
    const RedisCommand wait{"WAIT", count, millis};
    const auto waited = co_await link->exchange(wait, deadline);
    if (!waited) co_return std::unexpected(waited.error());
    if (waited->is_error() || waited->integer() < replicas_) {
        log(Level::error, "too few replicas of Redis have what was written",
            {{"server", std::string_view(to_string(link->host()))}, {"replicas", waited->integer()}});
        co_return store_unavailable();
    }
    co_return reply;
}

Task<Result<RedisReply>> Redis::run(const Script& script, std::vector<std::string> keys,
                                    std::vector<std::string> args) {
    const std::string key_count = std::to_string(keys.size());
    RedisCommand parts;
    parts.reserve(3 + keys.size() + args.size());
    parts.assign({"EVALSHA", script.sha1, key_count});
    parts.insert(parts.end(), keys.begin(), keys.end());
    parts.insert(parts.end(), args.begin(), args.end());
    const Request request{parts, keys.front(), script.repeatable, nullptr, script.kept};
    auto reply = co_await exchange(request);
    if (reply && reply->is_error() && reply->text().starts_with("NOSCRIPT")) {
        parts[0] = "EVAL";
        parts[1] = script.source;
        reply = co_await exchange(request);
    }
    if (reply && reply->is_error()) {
        log(Level::error, "Redis refused a script", {{"error", reply->text()}});
        co_return store_unavailable();
    }
    co_return reply;
}

RedisCommand Redis::scan_command(std::string_view cursor, std::string_view pattern, std::string_view count) {
    return {"SCAN", cursor, "MATCH", pattern, "COUNT", count};
}

Result<Redis::ScanPage> Redis::scan_page(const Result<RedisReply>& reply) {
    if (!reply) return std::unexpected(reply.error());
    if (reply->size() != 2) return store_unavailable();
    ScanPage page{std::string((*reply)[0].text()), {}};
    const RedisReply keys = (*reply)[1];
    page.keys.reserve(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i)
        page.keys.emplace_back(keys[i].text());
    return page;
}

} // namespace npcchat
