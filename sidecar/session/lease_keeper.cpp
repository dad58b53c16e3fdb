#include "session/lease_keeper.hpp"

#include <boost/asio/redirect_error.hpp>

namespace npcchat {
namespace {

constexpr auto kRenewAfter = std::chrono::milliseconds(kLeaseMillis / 3);
constexpr auto kTick = std::chrono::milliseconds(250);

} // namespace

LeaseKeeper::Hold::Hold(LeaseKeeper& keeper, Lease lease) : keeper_(keeper) {
    held_ = keeper_.held_.insert(keeper_.held_.end(), Held{std::move(lease), Clock::now()});
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
        const auto due = Clock::now() - kRenewAfter;
        while (!held_.empty() && held_.front().renewed_at <= due) {
            held_.front().renewed_at = Clock::now();
            held_.splice(held_.end(), held_, held_.begin());
            // Each on its own: a slow store must not keep the others from being renewed.
            spawn(executor_, "lease renewal",
                  [this, lease = held_.back().lease]() -> Task<void> { co_await store_.renew(lease); });
        }
    }
}

} // namespace npcchat
