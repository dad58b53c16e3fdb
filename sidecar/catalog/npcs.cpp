// Catalog: NPCs.
#include "base/ids.hpp"
#include "catalog/catalog.hpp"

namespace npcchat {
namespace {

using db::Row;
using db::Rows;
using db::to_integer;

#define NPC_COLUMNS                                                                                          \
    "SELECT n.npc_id, n.owner_id, u.name, n.char_descr, n.world_descr, n.has_scratchpad, n.created, "        \
    "n.updated, n.world, "                                                                                   \
    "coalesce((SELECT s.id FROM scopes s WHERE s.name = 'npc/' || n.npc_id AND s.documents > 0), 0), "       \
    "coalesce((SELECT s.id FROM scopes s WHERE s.name = 'world/' || n.owner_id || '/' || n.world "           \
    "AND s.documents > 0), 0) "                                                                              \
    "FROM npcs n JOIN users u ON u.id = n.owner_id "
constexpr std::string_view kSelect = NPC_COLUMNS "WHERE n.npc_id = $1";
constexpr std::string_view kListOwn = NPC_COLUMNS
    "WHERE n.owner_id = $1 AND (n.created, n.npc_id) > ($2, $3) ORDER BY n.created, n.npc_id LIMIT $4";
constexpr std::string_view kListAll =
    NPC_COLUMNS "WHERE (n.created, n.npc_id) > ($1, $2) ORDER BY n.created, n.npc_id LIMIT $3";
#undef NPC_COLUMNS
constexpr std::string_view kListNewest =
    "SELECT n.npc_id, n.owner_id, u.name, '', '', n.has_scratchpad, n.created, n.updated, n.world, 0, 0 FROM "
    "npcs n "
    "JOIN users u ON u.id = n.owner_id WHERE n.owner_id = $1 ORDER BY n.created DESC, n.npc_id DESC LIMIT $2";

// Each field with a flag that says whether it changes: NULL has no type of its own on PostgreSQL.
constexpr std::string_view kUpdate = R"(
UPDATE npcs SET char_descr = CASE WHEN $2 = 1 THEN $3 ELSE char_descr END,
                world_descr = CASE WHEN $4 = 1 THEN $5 ELSE world_descr END,
                has_scratchpad = CASE WHEN $6 = 1 THEN $7 ELSE has_scratchpad END,
                updated = $8, world = CASE WHEN $9 = 1 THEN $10 ELSE world END
WHERE npc_id = $1)";
constexpr std::string_view kDelete = "DELETE FROM npcs WHERE npc_id = $1 RETURNING npc_id";

Npc npc_of(const Row& row) {
    Npc npc;
    npc.npc_id = row[0].value_or("");
    npc.owner_id = to_integer(row[1]);
    npc.owner = row[2].value_or("");
    npc.char_descr = row[3].value_or("");
    npc.world_descr = row[4].value_or("");
    npc.has_scratchpad = to_integer(row[5]) != 0;
    npc.created = to_integer(row[6]);
    npc.updated = to_integer(row[7]);
    npc.world = row[8].value_or("");
    npc.knowledge = {to_integer(row[9]), to_integer(row[10])};
    return npc;
}

std::vector<Npc> npcs_of(const Rows& rows) {
    std::vector<Npc> npcs;
    npcs.reserve(rows.size());
    for (const Row& row : rows)
        npcs.push_back(npc_of(row));
    return npcs;
}

std::optional<Npc> first_npc(const Rows& rows) {
    if (rows.empty()) return std::nullopt;
    return npc_of(rows.front());
}

} // namespace

const std::string_view kInsertNpc = R"(
INSERT INTO npcs (npc_id, owner_id, char_descr, world_descr, has_scratchpad, created, updated, world)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7) ON CONFLICT DO NOTHING RETURNING npc_id)";

Task<Result<Npc>> Catalog::create_npc(UserId owner, std::string char_descr, std::string world_descr,
                                      bool has_scratchpad, std::string world) {
    const Millis now = now_ms();
    Npc npc{new_uuid4(),    owner, "",  std::move(char_descr), std::move(world_descr),
            has_scratchpad, now,   now, std::move(world),      {}};
    auto rows = co_await run_one(database_, kInsertNpc,
                                 {npc.npc_id, npc.owner_id, npc.char_descr, npc.world_descr,
                                  std::int64_t{npc.has_scratchpad}, npc.created, npc.world});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    co_return npc;
}

Task<Result<std::optional<Npc>>> Catalog::find_npc(std::string npc_id) {
    auto rows = co_await run_one(database_, kSelect, {std::move(npc_id)});
    co_return map(std::move(rows), first_npc);
}

Task<Result<std::vector<Npc>>> Catalog::list_npcs(std::optional<UserId> owner, NpcCursor after, int limit) {
    std::vector<db::Value> params;
    if (owner) params.push_back(*owner);
    params.push_back(after.created);
    params.push_back(std::move(after.npc_id));
    params.push_back(std::int64_t{limit});
    auto rows = co_await run_one(database_, owner ? kListOwn : kListAll, std::move(params));
    co_return map(std::move(rows), npcs_of);
}

Task<Result<std::vector<Npc>>> Catalog::list_newest_npcs(UserId owner, int limit) {
    auto rows = co_await run_one(database_, kListNewest, {owner, std::int64_t{limit}});
    co_return map(std::move(rows), npcs_of);
}

Task<Result<std::optional<Npc>>> Catalog::change_npc(std::string npc_id, NpcChange change) {
    const auto flag = [](bool set) { return std::int64_t{set}; };
    std::vector<db::Statement> batch;
    batch.push_back({kUpdate,
                     {npc_id, flag(change.char_descr.has_value()), change.char_descr.value_or(""),
                      flag(change.world_descr.has_value()), change.world_descr.value_or(""),
                      flag(change.has_scratchpad.has_value()), flag(change.has_scratchpad.value_or(false)),
                      now_ms(), flag(change.world.has_value()), change.world.value_or("")}});
    batch.push_back({kSelect, {npc_id}});
    auto results = co_await database_.run(std::move(batch));
    co_return map(std::move(results), [](const auto& all) { return first_npc(all.back()); });
}

Task<Result<bool>> Catalog::delete_npc(std::string npc_id) {
    auto rows = co_await run_one(database_, kDelete, {std::move(npc_id)});
    co_return map(std::move(rows), [](const Rows& found) { return !found.empty(); });
}

} // namespace npcchat
