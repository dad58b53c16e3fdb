// Catalog: users, passwords, keys.
#include "account/names.hpp"
#include "base/ids.hpp"
#include "catalog/catalog.hpp"

namespace npcchat {
namespace {

using db::Row;
using db::Rows;
using db::to_integer;

constexpr std::string_view kSelectLogin = R"(
SELECT id, password_hash FROM users WHERE name_key IN ($1, $2)
ORDER BY CASE WHEN name_key = $1 THEN 0 ELSE 1 END LIMIT 1)";
constexpr std::string_view kUpdatePassword = "UPDATE users SET password_hash = $2 WHERE id = $1";

constexpr std::string_view kCountAttempt = R"(
INSERT INTO login_attempts (name_key, attempts, window_start) VALUES ($1, 1, now_ms())
ON CONFLICT (name_key) DO UPDATE SET
    attempts = CASE WHEN login_attempts.window_start <= now_ms() - $2 THEN 1 ELSE login_attempts.attempts + 1 END,
    window_start = CASE WHEN login_attempts.window_start <= now_ms() - $2 THEN now_ms()
                        ELSE login_attempts.window_start END
RETURNING attempts, window_start + $2 - now_ms())";
constexpr std::string_view kForgetAttempts = "DELETE FROM login_attempts WHERE name_key = $1";
constexpr std::string_view kForgetOldAttempts =
    "DELETE FROM login_attempts WHERE window_start <= now_ms() - $1";

// Two who ask for a new key at once wait for each other here: one key is left, not two.
constexpr std::string_view kLockUser = "UPDATE users SET plan = plan WHERE id = $1";
constexpr std::string_view kEndKeysNow = "DELETE FROM api_keys WHERE user_id = $1 RETURNING digest";
constexpr std::string_view kEndKeysLater = R"(
UPDATE api_keys SET expires = now_ms() + $2
WHERE user_id = $1 AND (expires = 0 OR expires > now_ms() + $2) RETURNING digest)";
constexpr std::string_view kInsertKey = R"(
INSERT INTO api_keys (digest, user_id, created) SELECT $1, id, now_ms() FROM users WHERE id = $2)";

constexpr std::string_view kSelectKey = R"(
SELECT u.id, u.name, u.plan, u.created, k.expires, k.expires - now_ms() FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.digest = $1 AND (k.expires = 0 OR k.expires > now_ms()))";
constexpr std::string_view kSelectUser = "SELECT id, name, plan, created FROM users WHERE id = $1";
constexpr std::string_view kSelectUserByName =
    "SELECT id, name, plan, created FROM users WHERE name_digest = $1";
constexpr std::string_view kListUsers = R"(
SELECT id, name, plan, created FROM users WHERE id > $1 AND id > 0 ORDER BY id LIMIT $2)";
constexpr std::string_view kSetPlan = "UPDATE users SET plan = $2 WHERE id = $1";
constexpr std::string_view kSelectDigests = "SELECT digest FROM api_keys WHERE user_id = $1";
constexpr std::string_view kDeleteNpcs = "DELETE FROM npcs WHERE owner_id = $1 RETURNING npc_id";
constexpr std::string_view kForgetAttemptsOf =
    "DELETE FROM login_attempts WHERE name_key = (SELECT name_key FROM users WHERE id = $1)";
constexpr std::string_view kDeleteUser = "DELETE FROM users WHERE id = $1 AND id > 0 RETURNING name_key";

User user_of(const Row& row) {
    return User{to_integer(row[0]), row[1].value_or(""), row[2].value_or(""), to_integer(row[3])};
}

std::vector<std::string> first_fields(const Rows& rows) {
    std::vector<std::string> fields;
    for (const Row& row : rows)
        fields.push_back(row[0].value_or(""));
    return fields;
}

std::optional<User> first_user(const Rows& rows) {
    if (rows.empty()) return std::nullopt;
    return user_of(rows.front());
}

} // namespace

const std::string_view kInsertUser = R"(
INSERT INTO users (name, name_key, name_digest, password_hash, created)
VALUES ($1, $2, $3, $4, now_ms()) ON CONFLICT DO NOTHING RETURNING id)";

// The hash has a salt of its own: who asks for a taken name must not get a key to it.
const std::string_view kInsertFirstKey = R"(
INSERT INTO api_keys (digest, user_id, created)
SELECT $1, u.id, now_ms() FROM users u
WHERE u.name_key = $2 AND u.password_hash = $3 AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.user_id = u.id)
ON CONFLICT DO NOTHING)";

Task<Result<std::optional<UserId>>> Catalog::create_user(std::string name, std::string password_hash,
                                                         std::string key_digest) {
    const std::string name_key = fold_name(name);
    std::vector<db::Statement> batch;
    batch.push_back({kInsertUser, {name, name_key, sha256_hex(name_key), password_hash}});
    batch.push_back({kInsertFirstKey, {std::move(key_digest), name_key, std::move(password_hash)}});
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    const Rows& inserted = results->front();
    if (inserted.empty()) co_return std::nullopt;
    co_return to_integer(inserted.front()[0]);
}

Task<Result<std::optional<Login>>> Catalog::find_login(std::string name) {
    const std::string name_key = fold_name(name);
    auto rows = co_await run_one(database_, kSelectLogin, {std::move(name), name_key});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    if (rows->empty()) co_return std::nullopt;
    co_return Login{to_integer(rows->front()[0]), rows->front()[1].value_or("")};
}

Task<Result<void>> Catalog::set_password_hash(UserId id, std::string password_hash) {
    auto rows = co_await run_one(database_, kUpdatePassword, {id, std::move(password_hash)});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    co_return Result<void>();
}

Task<Result<Catalog::Attempts>> Catalog::count_login_attempt(std::string name_key, Millis window) {
    std::vector<db::Statement> batch;
    batch.push_back({kForgetOldAttempts, {window}}); // names that nobody has: the table stays small
    batch.push_back({kCountAttempt, {std::move(name_key), window}});
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    const Row& row = results->back().front();
    co_return Attempts{to_integer(row[0]), to_integer(row[1])};
}

Task<Result<void>> Catalog::forget_login_attempts(std::string name_key) {
    auto rows = co_await run_one(database_, kForgetAttempts, {std::move(name_key)});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    co_return Result<void>();
}

Task<Result<std::vector<std::string>>> Catalog::replace_key(UserId id, std::string key_digest, Millis grace) {
    std::vector<db::Statement> batch;
    batch.push_back({kLockUser, {id}});
    if (grace > 0)
        batch.push_back({kEndKeysLater, {id, grace}});
    else
        batch.push_back({kEndKeysNow, {id}});
    batch.push_back({kInsertKey, {std::move(key_digest), id}});
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    co_return first_fields((*results)[1]);
}

Task<Result<std::optional<KeyOwner>>> Catalog::find_key(std::string digest) {
    auto rows = co_await run_one(database_, kSelectKey, {std::move(digest)});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    if (rows->empty()) co_return std::nullopt;
    const Row& row = rows->front();
    co_return KeyOwner{user_of(row), to_integer(row[4]) == 0 ? 0 : to_integer(row[5])};
}

Task<Result<std::optional<User>>> Catalog::find_user(UserId id) {
    auto rows = co_await run_one(database_, kSelectUser, {id});
    co_return map(std::move(rows), first_user);
}

Task<Result<std::optional<User>>> Catalog::find_user_by_name(std::string name_digest) {
    auto rows = co_await run_one(database_, kSelectUserByName, {std::move(name_digest)});
    co_return map(std::move(rows), first_user);
}

Task<Result<std::vector<User>>> Catalog::list_users(UserId after, int limit) {
    auto rows = co_await run_one(database_, kListUsers, {after, std::int64_t{limit}});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    std::vector<User> users;
    for (const Row& row : *rows)
        users.push_back(user_of(row));
    co_return users;
}

Task<Result<std::vector<std::string>>> Catalog::set_plan(UserId id, std::string plan) {
    std::vector<db::Statement> batch;
    batch.push_back({kSetPlan, {id, std::move(plan)}});
    batch.push_back({kSelectDigests, {id}});
    auto results = co_await database_.run(std::move(batch));
    co_return map(std::move(results), [](const auto& all) { return first_fields(all.back()); });
}

Task<Result<std::optional<DeletedUser>>> Catalog::delete_user(UserId id) {
    std::vector<db::Statement> batch;
    batch.push_back({kLockUser, {id}});
    batch.push_back({kEndKeysNow, {id}});
    batch.push_back({kDeleteNpcs, {id}});
    batch.push_back({kForgetAttemptsOf, {id}});
    batch.push_back({kDeleteUser, {id}});
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    if (results->back().empty()) co_return std::nullopt;
    co_return DeletedUser{first_fields((*results)[1]), first_fields((*results)[2])};
}

Task<Result<void>> Catalog::ping() {
    auto rows = co_await run_one(database_, "SELECT 1", {});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    co_return Result<void>();
}

} // namespace npcchat
