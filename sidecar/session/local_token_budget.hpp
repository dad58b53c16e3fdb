// TokenBudget in this process, for where it is the only one.
#pragma once

#include "session/token_account.hpp"

#include <mutex>

namespace npcchat {

// Of all loops.
class TokenAccounts {
  public:
    // Nothing where the user has no account here yet.
    template <class Result, class Use> std::optional<Result> use(UserId user_id, Use use) {
        const std::scoped_lock lock(mutex_);
        const auto found = accounts_.find(user_id);
        if (found == accounts_.end()) return std::nullopt;
        return use(found->second);
    }
    // Where there is none yet.
    void open(UserId user_id, TokenAccount account, Millis now);

  private:
    static constexpr std::size_t kMost = 100'000; // from there on, idle ones are forgotten

    std::mutex mutex_;
    std::unordered_map<UserId, TokenAccount> accounts_;
};

// A user's first reservation of this process reads from the catalog what was used today: a restart begins no
// day.
class LocalTokenBudget final : public TokenBudget {
  public:
    LocalTokenBudget(TokenAccounts& accounts, Catalog& catalog) : accounts_(accounts), catalog_(catalog) {}

    Task<Result<Reservation>> reserve(UserId user_id, TokenLimits limits, TokenEstimate estimate) override;
    Task<void> settle(Reservation reservation, std::int64_t used) override;
    Task<void> renew(Reservation reservation) override;

  private:
    TokenAccounts& accounts_;
    Catalog& catalog_;
};

} // namespace npcchat
