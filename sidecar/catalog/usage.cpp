// Catalog: what users have used.
#include "catalog/catalog.hpp"

namespace npcchat {
namespace {

using db::to_integer;

// Nothing, where the user was deleted meanwhile.
constexpr std::string_view kAddUsage = R"(
INSERT INTO token_usage (user_id, day, model, requests, prompt_tokens, completion_tokens)
SELECT id, $2, $3, $4, $5, $6 FROM users WHERE id = $1
ON CONFLICT (user_id, day, model) DO UPDATE SET
    requests = token_usage.requests + excluded.requests,
    prompt_tokens = token_usage.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = token_usage.completion_tokens + excluded.completion_tokens)";
constexpr std::string_view kSelectUsage = R"(
SELECT day, model, requests, prompt_tokens, completion_tokens FROM token_usage
WHERE user_id = $1 AND day >= $2 AND day <= $3 ORDER BY day DESC, model)";
constexpr std::string_view kSumTokens = R"(
SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) FROM token_usage WHERE user_id = $1 AND day = $2)";

} // namespace

Task<Result<void>> Catalog::add_usage(std::vector<ModelUsage> usage) {
    std::vector<db::Statement> batch;
    for (ModelUsage& one : usage) {
        batch.push_back({kAddUsage,
                         {one.user_id, one.day, std::move(one.model), one.requests, one.prompt_tokens,
                          one.completion_tokens}});
    }
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    co_return Result<void>();
}

Task<Result<std::vector<ModelUsage>>> Catalog::usage_of(UserId user_id, std::int64_t first_day,
                                                        std::int64_t last_day) {
    auto rows = co_await run_one(database_, kSelectUsage, {user_id, first_day, last_day});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    std::vector<ModelUsage> usage;
    for (const db::Row& row : *rows) {
        usage.push_back({user_id, to_integer(row[0]), row[1].value_or(""), to_integer(row[2]),
                         to_integer(row[3]), to_integer(row[4])});
    }
    co_return usage;
}

Task<Result<std::int64_t>> Catalog::tokens_used(UserId user_id, std::int64_t day) {
    auto rows = co_await run_one(database_, kSumTokens, {user_id, day});
    co_return map(std::move(rows), [](const db::Rows& sums) { return to_integer(sums.front()[0]); });
}

} // namespace npcchat
