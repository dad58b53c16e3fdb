#include "model/waiting.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <optional>

namespace npcchat {
namespace {

// Places also become free in ways that wake nobody: by a reload of the table, or at another model's target.
constexpr auto kLookAgain = std::chrono::milliseconds(500);

Task<void> wait_on(std::shared_ptr<Timer> timer, Cancellation* cancellation) {
    if (cancellation && cancellation->requested()) co_return;
    std::optional<Cancellation::Watch> watch;
    if (cancellation) watch.emplace(*cancellation, [timer] { timer->cancel(); });
    boost::system::error_code ended_early;
    co_await timer->async_wait(asio::redirect_error(use_task, ended_early));
}

} // namespace

Task<void> wait_for(Clock::duration time, Cancellation* cancellation) {
    const Executor executor = co_await asio::this_coro::executor;
    auto timer = std::make_shared<Timer>(executor);
    timer->expires_after(time);
    co_await wait_on(std::move(timer), cancellation);
}

Task<void> wait_for_place(PlaceQueue& queue, Clock::time_point until, Cancellation* cancellation) {
    const Executor executor = co_await asio::this_coro::executor;
    auto timer = std::make_shared<Timer>(executor);
    timer->expires_at(std::min(until, Clock::now() + kLookAgain));
    const auto ticket =
        queue.enter([executor, timer] { asio::post(executor, [timer] { timer->cancel(); }); });
    co_await wait_on(timer, cancellation);
    const bool was_woken = !queue.leave(ticket);
    // The place is somebody else's.
    if (was_woken && cancellation && cancellation->requested()) queue.wake_one();
}

} // namespace npcchat
