#include "session/redis_settings.hpp"

#include "base/log.hpp"
#include "base/number.hpp"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr auto kAskAgain = 1s;

// The value of "name:value" in the lines of INFO.
std::string_view info_field(std::string_view info, std::string_view name) {
    const auto at = info.find(name);
    if (at == info.npos) return {};
    info.remove_prefix(at + name.size());
    return info.substr(0, info.find_first_of("\r\n"));
}

std::string config_value(const RedisReply& reply) {
    return reply.size() == 2 ? std::string(reply[1].text()) : std::string();
}

} // namespace

std::vector<std::string> warnings_of(const RedisSettings& settings) {
    std::vector<std::string> warnings;
    if (!settings.maxmemory_policy.empty() && settings.maxmemory_policy != "noeviction") {
        warnings.push_back(
            fmt::format("Redis drops chats where its memory is full (maxmemory-policy {}): set "
                        "maxmemory-policy noeviction",
                        settings.maxmemory_policy));
    }
    if (settings.appendonly == "no") {
        warnings.push_back(
            "Redis loses chats at a crash (appendonly no): set appendonly yes, with appendfsync "
            "everysec or always");
    }
    if (settings.replicas > 0 && settings.min_replicas_to_write == "0") {
        warnings.push_back(
            fmt::format("Redis has {} replicas and takes writes that none of them has (min-replicas-to-write "
                        "0), which a failover loses: set min-replicas-to-write 1 and min-replicas-max-lag 10",
                        settings.replicas));
    }
    return warnings;
}

Task<void> check_redis_settings(Redis& redis) {
    const Executor executor = co_await asio::this_coro::executor;
    Timer timer(executor);
    auto policy = co_await redis.command({"CONFIG", "GET", "maxmemory-policy"});
    while (!policy) {
        timer.expires_after(kAskAgain);
        co_await timer.async_wait(use_task);
        policy = co_await redis.command({"CONFIG", "GET", "maxmemory-policy"});
    }
    if (policy->is_error()) {
        log(Level::info, "Redis does not tell its settings: see that it has maxmemory-policy noeviction and "
                         "appendonly yes");
        co_return;
    }
    const auto appendonly = co_await redis.command({"CONFIG", "GET", "appendonly"});
    const auto replicas = co_await redis.command({"CONFIG", "GET", "min-replicas-to-write"});
    const auto info = co_await redis.command({"INFO", "replication"});
    RedisSettings settings{config_value(*policy), "", "", 0};
    if (appendonly) settings.appendonly = config_value(*appendonly);
    if (replicas) settings.min_replicas_to_write = config_value(*replicas);
    if (info)
        settings.replicas = parse_number<int>(info_field(info->text(), "connected_slaves:")).value_or(0);
    for (const std::string& warning : warnings_of(settings))
        log(Level::warning, "Redis settings", {{"warning", std::string_view(warning)}});
}

} // namespace npcchat
