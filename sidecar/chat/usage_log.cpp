#include "chat/usage_log.hpp"

namespace npcchat {
namespace {

constexpr Millis kDay = 86'400'000;

} // namespace

void UsageLog::add(UserId user_id, const std::string& model, std::int64_t prompt_tokens,
                   std::int64_t completion_tokens) {
    put(ModelUsage{user_id, now_ms() / kDay, model, 1, prompt_tokens, completion_tokens});
}

void UsageLog::put(const ModelUsage& usage) {
    const std::scoped_lock lock(mutex_);
    const Key key(usage.user_id, usage.day, usage.model);
    auto found = waiting_.find(key);
    if (found == waiting_.end()) {
        if (waiting_.size() < kMost) waiting_.emplace(key, usage);
        return;
    }
    found->second.requests += usage.requests;
    found->second.prompt_tokens += usage.prompt_tokens;
    found->second.completion_tokens += usage.completion_tokens;
}

std::vector<ModelUsage> UsageLog::take_batch() {
    const std::scoped_lock lock(mutex_);
    std::vector<ModelUsage> batch;
    while (!waiting_.empty() && batch.size() < kBatch) {
        batch.push_back(std::move(waiting_.begin()->second));
        waiting_.erase(waiting_.begin());
    }
    return batch;
}

// In the order of its keys: two that write the same rows at once cannot wait for each other for ever.
Task<Result<void>> UsageLog::flush(Catalog& catalog) {
    for (auto batch = take_batch(); !batch.empty(); batch = take_batch()) {
        auto written = co_await catalog.add_usage(batch);
        if (written) continue;
        for (const ModelUsage& usage : batch)
            put(usage);
        co_return written;
    }
    co_return Result<void>();
}

} // namespace npcchat
