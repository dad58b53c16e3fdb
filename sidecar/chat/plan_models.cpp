#include "chat/plan_models.hpp"

#include "account/plan.hpp"

namespace npcchat {

Task<Result<PlanModels::Names>> PlanModels::find(Catalog& catalog, UserId user_id,
                                                 const std::string& digest) {
    {
        const std::scoped_lock lock(mutex_);
        const auto found = lists_.find(digest);
        if (found != lists_.end()) co_return found->second;
    }
    const auto user = co_await catalog.find_user(user_id);
    if (!user) co_return std::unexpected(user.error());
    const Plan plan = *user ? stored_plan((*user)->plan) : Plan();
    auto names = std::make_shared<const std::vector<std::string>>(plan.models);
    const std::scoped_lock lock(mutex_);
    if (lists_.size() >= kMost) lists_.clear();
    if (!names->empty()) lists_.insert_or_assign(models_digest(*names), names);
    co_return names;
}

} // namespace npcchat
