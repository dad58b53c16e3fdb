// Catalog: taking over users and NPCs from the seed's system.
#include "account/names.hpp"
#include "base/ids.hpp"
#include "catalog/catalog.hpp"

#include <array>

namespace npcchat {
namespace {

constexpr std::string_view kSelectImported = "SELECT source FROM imported WHERE source = $1";
constexpr std::string_view kRecordUser = R"(
INSERT INTO imported (source, at)
SELECT $1, now_ms() WHERE EXISTS (SELECT 1 FROM users WHERE name_key = $2 AND password_hash = $3)
ON CONFLICT DO NOTHING)";
constexpr std::string_view kRecordNpc =
    "INSERT INTO imported (source, at) VALUES ($1, now_ms()) ON CONFLICT DO NOTHING";

struct NewName {
    std::string name;
    std::string name_key;
};

// The seed's names differ by case and may be taken here: the user keeps its name where it can, and its key in
// any case.
std::array<NewName, 3> names_to_try(const std::string& name) {
    const std::string other = name + "_seed";
    return {NewName{name, fold_name(name)}, NewName{name, name}, NewName{other, fold_name(other)}};
}

} // namespace

Task<Result<bool>> Catalog::was_imported(std::string source) {
    auto rows = co_await run_one(database_, kSelectImported, {std::move(source)});
    co_return map(std::move(rows), [](const db::Rows& found) { return !found.empty(); });
}

Task<Result<std::optional<std::string>>> Catalog::import_user(std::string name, std::string password_hash,
                                                              std::string key_digest) {
    const std::string source = "user:" + name;
    // No password opens this one; and it must differ from every other user's.
    if (password_hash.empty()) password_hash = "!" + random_token(16);
    for (const NewName& wanted : names_to_try(name)) {
        // Each time: the name may be taken because another import has just added this very user.
        const auto done = co_await was_imported(source);
        if (!done) co_return std::unexpected(done.error());
        if (*done) co_return std::nullopt;
        std::vector<db::Statement> batch;
        batch.push_back(
            {kInsertUser, {wanted.name, wanted.name_key, sha256_hex(wanted.name_key), password_hash}});
        batch.push_back({kInsertFirstKey, {key_digest, wanted.name_key, password_hash}});
        batch.push_back({kRecordUser, {source, wanted.name_key, password_hash}});
        auto results = co_await database_.run(std::move(batch));
        if (!results) co_return std::unexpected(std::move(results.error()));
        if (!results->front().empty()) co_return wanted.name;
    }
    co_return fail(409, "this name, and this name with _seed, are taken");
}

Task<Result<bool>> Catalog::import_npc(Npc npc) {
    const std::string source = "npc:" + npc.npc_id;
    const auto done = co_await was_imported(source);
    if (!done) co_return std::unexpected(done.error());
    if (*done) co_return false;
    std::vector<db::Statement> batch;
    batch.push_back({kInsertNpc,
                     {npc.npc_id, npc.owner_id, npc.char_descr, npc.world_descr,
                      std::int64_t{npc.has_scratchpad}, npc.created, npc.world}});
    batch.push_back({kRecordNpc, {source}});
    auto results = co_await database_.run(std::move(batch));
    co_return map(std::move(results), [](const auto& all) { return !all.front().empty(); });
}

} // namespace npcchat
