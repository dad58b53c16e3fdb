// NPCs: made, listed, read, changed and deleted by their owners and the admin.
#include "account/names.hpp"
#include "base/number.hpp"
#include "routes/body.hpp"
#include "routes/owned_npc.hpp"
#include "routes/paging.hpp"
#include "routes/routes.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {

Task<Result<Npc>> owned_npc(Services& services, const Request& request) {
    const std::string& given = request.params.front();
    auto npc = co_await services.catalog.find_npc(stored_npc_id(given));
    if (!npc) co_return std::unexpected(std::move(npc.error()));
    if (!*npc) co_return fail(404, "Unknown npc_id");
    const Identity& identity = *request.identity;
    if (!identity.is_admin && (*npc)->owner_id != identity.id) {
        co_return fail(403, "This NPC belongs to somebody else");
    }
    co_return std::move(**npc);
}

namespace routes {
namespace {

constexpr std::size_t kMaxDescription = 65'536; // bytes

std::string npc_json(const Npc& npc) {
    return fmt::format(
        R"({{"npc_id": {}, "char_descr": {}, "world_descr": {}, "has_scratchpad": {}, "owner": {}, )"
        R"("world": {}, "created": "{}", "updated": "{}"}})",
        json_string(npc.npc_id), json_string(npc.char_descr), json_string(npc.world_descr),
        npc.has_scratchpad, json_string(npc.owner), npc.world.empty() ? "null" : json_string(npc.world),
        rfc3339(npc.created), rfc3339(npc.updated));
}

// The name of a world; empty: none.
Result<std::optional<std::string>> world_of(const Fields& fields) {
    auto world = fields.optional_text("world", 0, kMaxWorldName);
    if (!world || !*world || (*world)->empty()) return world;
    if (auto name = check_world_name(**world); !name) return fail(422, "world: " + name.error());
    return world;
}

Result<NpcChange> read_change(const Request& request) {
    const auto body = json_body(request);
    if (!body) return std::unexpected(body.error());
    const Fields fields(body->get());
    auto character = fields.optional_text("char_descr", 1, kMaxDescription);
    if (!character) return std::unexpected(std::move(character.error()));
    auto world = fields.optional_text("world_descr", 1, kMaxDescription);
    if (!world) return std::unexpected(std::move(world.error()));
    const auto scratchpad = fields.optional_flag("has_scratchpad");
    if (!scratchpad) return std::unexpected(scratchpad.error());
    auto documents = world_of(fields);
    if (!documents) return std::unexpected(std::move(documents.error()));
    return NpcChange{std::move(*character), std::move(*world), *scratchpad, std::move(*documents)};
}

std::string cursor_text(const Npc& npc) {
    return fmt::format("{}-{}", npc.created, npc.npc_id);
}

// `next` of a page before, or an npc_id.
Task<Result<NpcCursor>> page_start(Services& services, const Request& request) {
    const auto text = query_field(request, "after");
    if (!text) co_return std::unexpected(text.error());
    if (!*text || (*text)->empty()) co_return NpcCursor();
    const std::string& after = **text;
    const auto dash = std::min(after.find('-'), after.size());
    const auto created = parse_number<Millis>(after.substr(0, dash));
    if (created && dash < after.size() && !is_uuid4(after))
        co_return NpcCursor{*created, after.substr(dash + 1)};
    auto npc = co_await services.catalog.find_npc(after);
    if (!npc) co_return std::unexpected(std::move(npc.error()));
    if (!*npc) co_return fail(422, "after: must be the `next` of a page, or an npc_id");
    co_return NpcCursor{(*npc)->created, (*npc)->npc_id};
}

} // namespace

Task<Result<Response>> create_npc(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    const Fields fields(body->get());
    auto character = fields.text("char_descr", 1, kMaxDescription);
    if (!character) co_return std::unexpected(std::move(character.error()));
    auto world = fields.text("world_descr", 1, kMaxDescription);
    if (!world) co_return std::unexpected(std::move(world.error()));
    const auto scratchpad = fields.optional_flag("has_scratchpad");
    if (!scratchpad) co_return std::unexpected(scratchpad.error());
    auto documents = world_of(fields);
    if (!documents) co_return std::unexpected(std::move(documents.error()));

    const auto npc =
        co_await services.catalog.create_npc(request.identity->id, std::move(*character), std::move(*world),
                                             scratchpad->value_or(false), std::move(*documents).value_or(""));
    if (!npc) co_return std::unexpected(npc.error());
    co_return json_response(
        fmt::format(R"({{"status": "NPC successfully saved", "npc_id": {}}})", json_string(npc->npc_id)));
}

Task<Result<Response>> list_npcs(Services& services, Request& request) {
    const auto limit = page_size(request);
    if (!limit) co_return std::unexpected(limit.error());
    auto after = co_await page_start(services, request);
    if (!after) co_return std::unexpected(std::move(after.error()));
    std::optional<UserId> owner;
    if (!request.identity->is_admin) owner = request.identity->id;
    auto npcs = co_await services.catalog.list_npcs(owner, std::move(*after), *limit + 1);
    if (!npcs) co_return std::unexpected(std::move(npcs.error()));

    co_return json_response(page_json(*npcs, *limit, npc_json, cursor_text));
}

Task<Result<Response>> get_npc(Services& services, Request& request) {
    const auto npc = co_await owned_npc(services, request);
    if (!npc) co_return std::unexpected(npc.error());
    co_return json_response(npc_json(*npc));
}

Task<Result<Response>> put_npc(Services& services, Request& request) {
    auto change = read_change(request);
    if (!change) co_return std::unexpected(std::move(change.error()));
    const auto npc = co_await owned_npc(services, request);
    if (!npc) co_return std::unexpected(npc.error());
    auto changed = co_await services.catalog.change_npc(npc->npc_id, std::move(*change));
    services.shared.npcs.forget(npc->npc_id);
    if (!changed) co_return std::unexpected(std::move(changed.error()));
    if (!*changed) co_return fail(404, "Unknown npc_id");
    co_return json_response(npc_json(**changed));
}

Task<Result<Response>> delete_npc(Services& services, Request& request) {
    const auto npc = co_await owned_npc(services, request);
    if (!npc) co_return std::unexpected(npc.error());
    const auto deleted = co_await services.catalog.delete_npc(npc->npc_id);
    services.shared.npcs.forget(npc->npc_id);
    if (!deleted) co_return std::unexpected(deleted.error());
    if (!*deleted) co_return fail(404, "Unknown npc_id");
    co_return json_response("", 204);
}

} // namespace routes
} // namespace npcchat
