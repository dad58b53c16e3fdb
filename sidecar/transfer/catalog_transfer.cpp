#include "transfer/catalog_transfer.hpp"

#include "base/ids.hpp"

namespace npcchat {
namespace {

using db::Row;
using db::Rows;
using db::to_integer;

constexpr std::int64_t kPage = 200;
constexpr std::int64_t kDocumentPage = 4; // with their texts

constexpr std::string_view kSelectStore = "SELECT applied FROM schema_migrations ORDER BY version LIMIT 1";
constexpr std::string_view kCount =
    "SELECT (SELECT count(*) FROM users WHERE id > 0), (SELECT count(*) FROM npcs), "
    "(SELECT count(*) FROM documents d JOIN scopes s ON s.id = d.scope_id "
    "WHERE d.state = 1 AND s.dropped = 0), "
    "(SELECT count(*) FROM token_usage), (SELECT count(*) FROM imported)";
constexpr std::string_view kSelectUsers =
    "SELECT id, name, plan, created, name_key, password_hash FROM users WHERE id > $1 AND id > 0 "
    "ORDER BY id LIMIT $2";
constexpr std::string_view kSelectKeys =
    "SELECT digest, created, expires FROM api_keys WHERE user_id = $1 ORDER BY digest";
constexpr std::string_view kSelectDocuments =
    "SELECT d.document_id, s.npc_id, s.name, s.owner_id, d.title, d.source, d.metadata, d.text, d.created "
    "FROM documents d JOIN scopes s ON s.id = d.scope_id "
    "WHERE d.document_id > $1 AND d.state = 1 AND s.dropped = 0 ORDER BY d.document_id LIMIT $2";
constexpr std::string_view kSelectUsage =
    "SELECT user_id, day, model, requests, prompt_tokens, completion_tokens FROM token_usage "
    "WHERE (user_id, day, model) > ($1, $2, $3) ORDER BY user_id, day, model LIMIT $4";
constexpr std::string_view kSelectSeed =
    "SELECT source, at FROM imported WHERE source > $1 ORDER BY source LIMIT $2";

constexpr std::string_view kFindUser = "SELECT id, created FROM users WHERE name_key = $1";
constexpr std::string_view kAddUser = R"(
INSERT INTO users (name, name_key, name_digest, password_hash, plan, created)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id)";
// Nothing, where the name has become another user's meanwhile.
constexpr std::string_view kInsertKey = R"(
INSERT INTO api_keys (digest, user_id, created, expires)
SELECT $1, u.id, $4, $5 FROM users u WHERE u.name_key = $2 AND u.created = $3 ON CONFLICT DO NOTHING)";
constexpr std::string_view kFindNpc = "SELECT owner_id FROM npcs WHERE npc_id = $1";
constexpr std::string_view kAddNpc = R"(
INSERT INTO npcs (npc_id, owner_id, char_descr, world_descr, has_scratchpad, created, updated, world)
SELECT $1, u.id, $3, $4, $5, $6, $7, $8 FROM users u WHERE u.id = $2 ON CONFLICT DO NOTHING RETURNING npc_id)";
constexpr std::string_view kInsertUsage = R"(
INSERT INTO token_usage (user_id, day, model, requests, prompt_tokens, completion_tokens)
SELECT u.id, $2, $3, $4, $5, $6 FROM users u WHERE u.id = $1 ON CONFLICT DO NOTHING RETURNING day)";
constexpr std::string_view kInsertSeed =
    "INSERT INTO imported (source, at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING at";
constexpr std::string_view kDropUnfinished =
    "UPDATE documents SET state = 2 WHERE document_id = $1 AND state <> 1";
constexpr std::string_view kSelectState = "SELECT state FROM documents WHERE document_id = $1";

// As Scope names them: world/<owner>/<world>.
std::string world_of(std::string_view scope) {
    if (!scope.starts_with("world/")) return {};
    return std::string(scope.substr(scope.find('/', sizeof("world/") - 1) + 1));
}

UserRecord user_of(const Row& row, const Rows& keys) {
    UserRecord record;
    record.user = {to_integer(row[0]), row[1].value_or(""), row[2].value_or(""), to_integer(row[3])};
    record.name_key = row[4].value_or("");
    record.password_hash = row[5].value_or("");
    for (const Row& key : keys)
        record.keys.push_back({key[0].value_or(""), to_integer(key[1]), to_integer(key[2])});
    return record;
}

DocumentRecord document_of(const Row& row) {
    return {row[0].value_or(""), row[1].value_or(""), world_of(row[2].value_or("")),
            to_integer(row[3]),  row[4].value_or(""), row[5].value_or(""),
            row[6].value_or(""), row[7].value_or(""), to_integer(row[8])};
}

template <class Read> auto each_row(Result<Rows> rows, Read read) {
    return map(std::move(rows), [read](const Rows& found) {
        std::vector<std::invoke_result_t<Read, const Row&>> all;
        all.reserve(found.size());
        for (const Row& row : found)
            all.push_back(read(row));
        return all;
    });
}

bool any(const Rows& rows) {
    return !rows.empty();
}

} // namespace

Task<Result<std::string>> CatalogTransfer::store_id() {
    auto rows = co_await run_one(database_, kSelectStore, {});
    co_return map(std::move(rows), [](const Rows& found) { return found.front()[0].value_or(""); });
}

Task<Result<CatalogCounts>> CatalogTransfer::counts() {
    auto rows = co_await run_one(database_, kCount, {});
    co_return map(std::move(rows), [](const Rows& found) {
        const Row& row = found.front();
        return CatalogCounts{to_integer(row[0]), to_integer(row[1]), to_integer(row[2]), to_integer(row[3]),
                             to_integer(row[4])};
    });
}

Task<Result<std::vector<UserRecord>>> CatalogTransfer::users(UserId after) {
    const auto rows = co_await run_one(database_, kSelectUsers, {after, kPage});
    if (!rows) co_return std::unexpected(rows.error());
    std::vector<UserRecord> users;
    if (rows->empty()) co_return users;
    std::vector<db::Statement> batch;
    for (const Row& row : *rows)
        batch.push_back({kSelectKeys, {to_integer(row[0])}});
    const auto keys = co_await database_.run(std::move(batch));
    if (!keys) co_return std::unexpected(keys.error());
    for (std::size_t i = 0; i < rows->size(); ++i)
        users.push_back(user_of((*rows)[i], (*keys)[i]));
    co_return users;
}

Task<Result<std::vector<DocumentRecord>>> CatalogTransfer::documents(std::string after) {
    auto rows = co_await run_one(database_, kSelectDocuments, {std::move(after), kDocumentPage});
    co_return each_row(std::move(rows), document_of);
}

Task<Result<std::vector<ModelUsage>>> CatalogTransfer::usage(ModelUsage after) {
    auto rows =
        co_await run_one(database_, kSelectUsage, {after.user_id, after.day, std::move(after.model), kPage});
    co_return each_row(std::move(rows), [](const Row& row) {
        return ModelUsage{to_integer(row[0]), to_integer(row[1]), row[2].value_or(""),
                          to_integer(row[3]), to_integer(row[4]), to_integer(row[5])};
    });
}

Task<Result<std::vector<SeedRecord>>> CatalogTransfer::seed(std::string after) {
    auto rows = co_await run_one(database_, kSelectSeed, {std::move(after), kPage});
    co_return each_row(std::move(rows),
                       [](const Row& row) { return SeedRecord{row[0].value_or(""), to_integer(row[1])}; });
}

Task<Result<std::optional<CatalogTransfer::AddedUser>>> CatalogTransfer::find_user(const UserRecord& record) {
    auto rows = co_await run_one(database_, kFindUser, {record.name_key});
    co_return map(std::move(rows), [&](const Rows& found) -> std::optional<AddedUser> {
        if (found.empty()) return std::nullopt;
        const bool same = to_integer(found.front()[1]) == record.user.created;
        return AddedUser{same ? Found::same : Found::other, to_integer(found.front()[0])};
    });
}

Task<Result<CatalogTransfer::AddedUser>> CatalogTransfer::add_user(UserRecord record) {
    const auto before = co_await find_user(record);
    if (!before) co_return std::unexpected(before.error());
    if (*before) co_return **before;
    const User& user = record.user;
    std::vector<db::Statement> batch;
    batch.push_back({kAddUser,
                     {user.name, record.name_key, sha256_hex(record.name_key), record.password_hash,
                      user.plan, user.created}});
    for (const KeyRecord& key : record.keys)
        batch.push_back({kInsertKey, {key.digest, record.name_key, user.created, key.created, key.expires}});
    const auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(results.error());
    if (any(results->front())) co_return AddedUser{Found::added, to_integer(results->front().front()[0])};
    const auto after = co_await find_user(record);
    if (!after) co_return std::unexpected(after.error());
    co_return after->value_or(AddedUser{Found::other, 0});
}

Task<Result<CatalogTransfer::Found>> CatalogTransfer::add_npc(Npc npc) {
    std::vector<db::Statement> batch;
    batch.push_back({kAddNpc,
                     {npc.npc_id, npc.owner_id, std::move(npc.char_descr), std::move(npc.world_descr),
                      std::int64_t{npc.has_scratchpad}, npc.created, npc.updated, std::move(npc.world)}});
    batch.push_back({kFindNpc, {npc.npc_id}});
    auto results = co_await database_.run(std::move(batch));
    co_return map(std::move(results), [&](const std::vector<Rows>& all) {
        if (any(all[0])) return Found::added;
        const bool same = any(all[1]) && to_integer(all[1].front()[0]) == npc.owner_id;
        return same ? Found::same : Found::other;
    });
}

Task<Result<bool>> CatalogTransfer::add_usage(ModelUsage usage) {
    auto rows = co_await run_one(database_, kInsertUsage,
                                 {usage.user_id, usage.day, std::move(usage.model), usage.requests,
                                  usage.prompt_tokens, usage.completion_tokens});
    co_return map(std::move(rows), any);
}

Task<Result<bool>> CatalogTransfer::add_seed(SeedRecord record) {
    auto rows = co_await run_one(database_, kInsertSeed, {std::move(record.source), record.at});
    co_return map(std::move(rows), any);
}

Task<Result<CatalogTransfer::DocumentState>> CatalogTransfer::document_state(std::string document_id) {
    std::vector<db::Statement> batch;
    batch.push_back({kDropUnfinished, {document_id}});
    batch.push_back({kSelectState, {std::move(document_id)}});
    auto results = co_await database_.run(std::move(batch));
    co_return map(std::move(results), [](const std::vector<Rows>& all) {
        if (all[1].empty()) return DocumentState::none;
        return to_integer(all[1].front()[0]) == 1 ? DocumentState::found : DocumentState::unfinished;
    });
}

Task<Result<bool>> CatalogTransfer::has_npc(std::string npc_id) {
    auto rows = co_await run_one(database_, kFindNpc, {std::move(npc_id)});
    co_return map(std::move(rows), any);
}

} // namespace npcchat
