// What users have used, on its way to the catalog: added up in memory, and written every second, so that no
// answer waits for it. Shared by all loops.
#pragma once

#include "catalog/catalog.hpp"

#include <map>
#include <mutex>
#include <tuple>

namespace npcchat {

class UsageLog {
  public:
    void add(UserId user_id, const std::string& model, std::int64_t prompt_tokens,
             std::int64_t completion_tokens);

    // Writes what was added since the last time. Where the catalog is down it is kept for the next time.
    Task<Result<void>> flush(Catalog& catalog);

  private:
    using Key = std::tuple<UserId, std::int64_t, std::string>; // user, day, model
    // Lines that are kept while the catalog is down; what is over that is not counted.
    static constexpr std::size_t kMost = 100'000;
    static constexpr std::size_t kBatch = 500;

    std::vector<ModelUsage> take_batch();
    void put(const ModelUsage& usage);

    std::mutex mutex_;
    std::map<Key, ModelUsage> waiting_;
};

} // namespace npcchat
