#include "session/redis_settings.hpp"

#include "base/log.hpp"
#include "base/number.hpp"

#include <algorithm>
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

// 6.2 has the options that the stores use.
bool is_too_old(std::string_view version) {
    const auto dot = std::min(version.find('.'), version.size());
    const int major = parse_number<int>(version.substr(0, dot)).value_or(0);
    if (major != 6) return major < 6;
    const std::string_view rest = version.substr(std::min(dot + 1, version.size()));
    return parse_number<int>(rest.substr(0, rest.find('.'))).value_or(0) < 2;
}

} // namespace

std::vector<std::string> warnings_of(const RedisSettings& settings) {
    std::vector<std::string> warnings;
    if (!settings.version.empty() && is_too_old(settings.version))
        warnings.push_back(
            fmt::format("Redis {} is too old, and chats fail: it must be 6.2 or later", settings.version));
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
    auto server = co_await redis.command({"INFO", "server"});
    while (!server) {
        timer.expires_after(kAskAgain);
        co_await timer.async_wait(use_task);
        server = co_await redis.command({"INFO", "server"});
    }
    RedisSettings settings;
    settings.version = info_field(server->text(), "redis_version:");
    const auto policy = co_await redis.command({"CONFIG", "GET", "maxmemory-policy"});
    if (policy && policy->is_error()) {
        log(Level::info, "Redis does not tell its settings: see that it has maxmemory-policy noeviction and "
                         "appendonly yes");
    }
    const auto appendonly = co_await redis.command({"CONFIG", "GET", "appendonly"});
    const auto replicas = co_await redis.command({"CONFIG", "GET", "min-replicas-to-write"});
    const auto info = co_await redis.command({"INFO", "replication"});
    if (policy) settings.maxmemory_policy = config_value(*policy);
    if (appendonly) settings.appendonly = config_value(*appendonly);
    if (replicas) settings.min_replicas_to_write = config_value(*replicas);
    if (info)
        settings.replicas = parse_number<int>(info_field(info->text(), "connected_slaves:")).value_or(0);
    for (const std::string& warning : warnings_of(settings))
        log(Level::warning, "Redis settings", {{"warning", std::string_view(warning)}});
}

} // namespace npcchat
