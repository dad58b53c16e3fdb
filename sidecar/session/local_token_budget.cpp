#include "session/local_token_budget.hpp"

#include "base/ids.hpp"

namespace npcchat {
namespace {

constexpr std::size_t kIdBytes = 12;

} // namespace

void TokenAccounts::open(UserId user_id, TokenAccount account, Millis now) {
    const std::scoped_lock lock(mutex_);
    if (accounts_.size() >= kMost)
        std::erase_if(accounts_, [now](const auto& one) { return one.second.is_idle(now); });
    accounts_.try_emplace(user_id, std::move(account));
}

Task<Result<Reservation>> LocalTokenBudget::reserve(UserId user_id, TokenLimits limits,
                                                    TokenEstimate estimate) {
    using Answer = Result<Reservation>;
    const Millis now = now_ms();
    const Reservation wanted{user_id, random_token(kIdBytes), limits, estimate.reserved, now / kDayMillis};
    const auto take = [&](TokenAccount& account) -> Answer {
        if (const auto refusal = account.reserve(wanted, estimate.least, now))
            return budget_exhausted(refusal->shortage, refusal->wait);
        return wanted;
    };
    if (auto taken = accounts_.use<Answer>(user_id, take)) co_return std::move(*taken);
    const auto used = co_await catalog_.tokens_used(user_id, now / kDayMillis);
    if (!used) co_return std::unexpected(used.error());
    accounts_.open(user_id, TokenAccount(*used, now), now);
    auto taken = accounts_.use<Answer>(user_id, take);
    co_return taken ? std::move(*taken) : Answer(store_unavailable());
}

Task<void> LocalTokenBudget::settle(Reservation reservation, std::int64_t used) {
    accounts_.use<bool>(reservation.user_id, [&](TokenAccount& account) {
        account.settle(reservation, used, now_ms());
        return true;
    });
    co_return;
}

Task<void> LocalTokenBudget::renew(Reservation reservation) {
    accounts_.use<bool>(reservation.user_id, [&](TokenAccount& account) {
        account.renew(reservation, now_ms());
        return true;
    });
    co_return;
}

} // namespace npcchat
