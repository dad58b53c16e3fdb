// The models that plans allow, by the digest that comes with a request. Shared by all loops.
#pragma once

#include "catalog/catalog.hpp"

#include <mutex>
#include <unordered_map>

namespace npcchat {

class PlanModels {
  public:
    using Names = std::shared_ptr<const std::vector<std::string>>;

    // Of the user's plan. A digest stands for its list for ever; where the plan was changed since the edge
    // has read it, the new list. Empty: all models.
    Task<Result<Names>> find(Catalog& catalog, UserId user_id, const std::string& digest);

  private:
    static constexpr std::size_t kMost = 10'000;

    std::mutex mutex_;
    std::unordered_map<std::string, Names> lists_;
};

} // namespace npcchat
