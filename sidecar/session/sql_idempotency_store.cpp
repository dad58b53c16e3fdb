#include "session/sql_idempotency_store.hpp"

#include "base/ids.hpp"

namespace npcchat {
namespace {

constexpr std::size_t kTokenBytes = 16;

// Everywhere: $1 the user, $2 the key's digest, $3 the token.
constexpr std::string_view kDropOld = "DELETE FROM idempotency WHERE until < now_ms()";
constexpr std::string_view kBegin = R"(
INSERT INTO idempotency (user_id, digest, token, body, answer, until)
SELECT id, $2, $3, $4, '', now_ms() + $5 FROM users WHERE id = $1
ON CONFLICT (user_id, digest) DO NOTHING)";
constexpr std::string_view kSelect =
    "SELECT token, body, answer FROM idempotency WHERE user_id = $1 AND digest = $2";
constexpr std::string_view kRenew = R"(
UPDATE idempotency SET until = now_ms() + $4 WHERE user_id = $1 AND digest = $2 AND token = $3)";
constexpr std::string_view kFinish = R"(
UPDATE idempotency SET until = now_ms() + $4, answer = $5, token = ''
WHERE user_id = $1 AND digest = $2 AND token = $3)";
constexpr std::string_view kAbandon =
    "DELETE FROM idempotency WHERE user_id = $1 AND digest = $2 AND token = $3";

} // namespace

Task<Result<Repeat>> SqlIdempotencyStore::begin(IdempotencyKey key, std::string body_digest) {
    Repeat repeat;
    repeat.running = Running{key, random_token(kTokenBytes)};
    std::vector<db::Statement> batch;
    batch.push_back({kDropOld, {}}); // this one's too
    batch.push_back({kBegin, {key.user_id, key.digest, repeat.running.token, body_digest, kRunningMillis}});
    batch.push_back({kSelect, {key.user_id, key.digest}});
    const auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(results.error());
    if (results->back().empty()) co_return fail(401, "Missing or unknown API key"); // deleted just now
    const db::Row& row = results->back().front();
    if (row[0] == repeat.running.token) co_return repeat;
    if (row[1] != body_digest) {
        repeat.state = Repeat::State::other_body;
    } else if (row[0] == "") {
        repeat.state = Repeat::State::answered;
        repeat.answer = row[2].value_or("");
    } else {
        repeat.state = Repeat::State::running;
    }
    co_return repeat;
}

Task<void> SqlIdempotencyStore::renew(Running running) {
    co_await run_one(database_, kRenew,
                     {running.key.user_id, running.key.digest, running.token, kRunningMillis});
}

Task<Result<void>> SqlIdempotencyStore::finish(Running running, std::string answer) {
    auto rows = co_await run_one(
        database_, kFinish,
        {running.key.user_id, running.key.digest, running.token, kAnswerMillis, std::move(answer)});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    co_return Result<void>();
}

Task<void> SqlIdempotencyStore::abandon(Running running) {
    co_await run_one(database_, kAbandon, {running.key.user_id, running.key.digest, running.token});
}

} // namespace npcchat
