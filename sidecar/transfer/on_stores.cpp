#include "transfer/on_stores.hpp"

#include "base/log.hpp"
#include "service.hpp"
#include "stores.hpp"

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr int kInterrupted = 130;
constexpr auto kAskAgain = std::chrono::milliseconds(20);

// The first connections are only being made.
Task<Outcome> wait_for(Executor executor, Stores& stores, Clock::duration limit) {
    Timer timer(executor);
    for (const auto give_up = Clock::now() + limit; Clock::now() < give_up;) {
        const auto sessions = co_await stores.sessions().ping();
        const auto catalog = co_await stores.catalog().ping();
        if (sessions && catalog) co_return Outcome();
        timer.expires_after(kAskAgain);
        co_await timer.async_wait(use_task);
    }
    co_return std::unexpected("the stores that DATABASE_URL and REDIS_URL name do not answer");
}

Task<Outcome> run_when_ready(Executor executor, Stores& stores, Clock::duration limit,
                             const std::function<Task<Outcome>(Executor, Stores&)>& command) {
    auto ready = co_await wait_for(executor, stores, limit);
    if (!ready) co_return ready;
    co_return co_await command(executor, stores);
}

} // namespace

Outcome run_on_stores(const Config& config, std::function<Task<Outcome>(Executor, Stores&)> command) {
    if (auto prepared = prepare_database(config); !prepared) return prepared;
    auto backends = StoreBackends::open(config);
    if (!backends) return std::unexpected(std::move(backends.error()));

    asio::io_context context{1};
    Stores stores(context.get_executor(), **backends);
    asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([](boost::system::error_code error, int) {
        if (error) return;
        fmt::print(stderr, "\nnpcchat-sidecar: interrupted; run the same command again, and it goes on\n");
        flush_log();
        std::_Exit(kInterrupted);
    });
    Outcome outcome = std::unexpected("the command ended early");
    asio::co_spawn(context.get_executor(),
                   run_when_ready(context.get_executor(), stores, config.store_timeout * 2, command),
                   [&](std::exception_ptr error, Outcome result) {
                       report_exception("command", error);
                       if (!error) outcome = std::move(result);
                       context.stop();
                   });
    context.run();
    (*backends)->stop(); // their threads' results go to the context, which ends first
    return outcome;
}

} // namespace npcchat
