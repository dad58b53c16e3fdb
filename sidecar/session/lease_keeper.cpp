#include "session/lease_keeper.hpp"

#include <boost/asio/redirect_error.hpp>

namespace npcchat {
namespace {

constexpr auto kTick = std::chrono::milliseconds(250);

} // namespace

LeaseKeeper::Hold::Hold(LeaseKeeper& keeper, Lease lease) : keeper_(keeper) {
    held_ = keeper_.held_.insert(keeper_.held_.end(), std::move(lease));
}

LeaseKeeper::Hold::~Hold() {
    keeper_.held_.erase(held_);
}

LeaseKeeper::LeaseKeeper(Executor executor, SessionStore& store)
    : executor_(executor), store_(store), timer_(executor) {
    spawn(executor_, "lease keeper", [this] { return renew_due(); });
}

Task<void> LeaseKeeper::renew_due() {
    for (;;) {
        timer_.expires_after(kTick);
        co_await timer_.async_wait(use_task);
        const auto now = Clock::now();
        for (Lease& held : held_) {
            if (held.renew_at > now) continue;
            held.renew_at = now + std::chrono::milliseconds(kLeaseMillis / 3);
            // Each on its own: a slow store must not keep the others from being renewed.
            spawn(executor_, "lease renewal",
                  [this, lease = held]() -> Task<void> { co_await store_.renew(lease); });
        }
    }
}

} // namespace npcchat
