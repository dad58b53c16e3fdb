#include "io/redis_sentinel.hpp"

#include "base/log.hpp"
#include "io/redis_attempts.hpp"

#include <algorithm>

namespace npcchat {

RedisSentinel::RedisSentinel(Executor executor, RedisUrl url, Clock::duration limit)
    : RedisSingle(executor, std::move(url), limit) {}

Task<std::optional<RedisHost>> RedisSentinel::find_server() {
    // The one that answered last stands first.
    for (std::size_t i = 0; i < url_.hosts.size(); ++i) {
        auto master = co_await ask(url_.hosts[i]);
        if (!master) continue;
        std::rotate(url_.hosts.begin(), url_.hosts.begin() + static_cast<std::ptrdiff_t>(i),
                    url_.hosts.end());
        co_return master;
    }
    log(Level::error, "no Sentinel names the master", {{"master", std::string_view(url_.master)}});
    co_return std::nullopt;
}

Task<std::optional<RedisHost>> RedisSentinel::ask(RedisHost sentinel) {
    // A dead one must not take the others' time.
    auto link = make_link(std::move(sentinel), limit_ / 2);
    const bool connected = co_await link->connect();
    if (!connected) co_return std::nullopt;
    const auto reply = co_await ask_for_master(link);
    link->close({});
    if (!reply || reply->size() != 2) co_return std::nullopt;
    co_return RedisHost{std::string((*reply)[0].text()), std::string((*reply)[1].text())};
}

Task<Result<RedisReply>> RedisSentinel::ask_for_master(std::shared_ptr<RedisLink> link) {
    const RedisCommand question{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", url_.master};
    auto reply = co_await link->exchange(question);
    if (!reply || !reply->text().starts_with("NOAUTH")) co_return reply;
    // Sentinels that want a password have the master's.
    RedisCommand password{"AUTH", url_.password};
    if (!url_.user.empty()) password.insert(password.begin() + 1, url_.user);
    link->send(password);
    co_return co_await link->exchange(question);
}

// A Sentinel may not know yet, and a master that comes back is one until it is told otherwise.
Task<bool> RedisSentinel::check_server(std::shared_ptr<RedisLink> link) {
    const RedisCommand question{"ROLE"};
    const auto role = co_await link->exchange(question);
    if (role && role->size() > 0 && (*role)[0].text() == "master") co_return true;
    link->close("it is not the master");
    co_return false;
}

Task<Result<RedisReply>> RedisSentinel::exchange(const Request& request) {
    const auto deadline = std::min(request.deadline, Clock::now() + limit_);
    RedisAttempts attempts(deadline, request.repeatable);
    for (;;) {
        RedisAttempts::Step step;
        if (const auto link = link_) {
            auto reply = co_await exchange_on(link, request, deadline);
            if (reply && !reply->is_error()) co_return reply;
            if (reply)
                step = attempts.refused(reply->text(), link->host(), Clock::now(), random_());
            else
                step = attempts.lost(Clock::now(), random_());
            if (step.what == RedisAttempts::What::answer) co_return reply;
            // It was the master, so it is not any more.
            if (reply && step.find_anew) link->close(reply->text());
        } else {
            step = attempts.not_sent(Clock::now(), random_());
        }
        if (step.what == RedisAttempts::What::give_up) co_return store_unavailable();
        Timer timer(executor_, step.pause);
        co_await timer.async_wait(use_task);
    }
}

} // namespace npcchat
