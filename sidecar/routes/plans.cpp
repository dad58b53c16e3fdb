// The admin's side of users: who there is, what each may use, their end.
#include "account/names.hpp"
#include "account/plan.hpp"
#include "base/ids.hpp"
#include "base/number.hpp"
#include "common/protocol.hpp"
#include "http/edge.hpp"
#include "routes/body.hpp"
#include "routes/paging.hpp"
#include "routes/routes.hpp"

#include <fmt/format.h>

namespace npcchat::routes {
namespace {

std::string plan_or_empty(const std::string& stored) {
    const std::string json = plan_json(stored_plan(stored));
    return json.empty() ? "{}" : json;
}

std::string user_json(const User& user) {
    return fmt::format(R"({{"username": {}, "created": "{}", "plan": {}}})", json_string(user.name),
                       rfc3339(user.created), plan_or_empty(user.plan));
}

std::string cursor_text(const User& user) {
    return std::to_string(user.id);
}

// The user of the path, by name in any case.
Task<Result<User>> named_user(Services& services, const Request& request) {
    auto user = co_await services.catalog.find_user_by_name(sha256_hex(fold_name(request.params.front())));
    if (!user) co_return std::unexpected(std::move(user.error()));
    if (!*user) co_return fail(404, "Unknown user");
    co_return std::move(**user);
}

Result<void> check_models(const Services& services, const Plan& plan) {
    for (std::size_t i = 0; i < plan.models.size(); ++i) {
        if (!services.table->find(plan.models[i]))
            return fail(422, fmt::format("models[{}]: no model has this name", i));
    }
    return {};
}

} // namespace

Task<Result<Response>> list_users(Services& services, Request& request) {
    const auto limit = page_size(request);
    if (!limit) co_return std::unexpected(limit.error());
    const auto after = query_field(request, "after");
    if (!after) co_return std::unexpected(after.error());
    UserId last = 0;
    if (*after && !(*after)->empty()) {
        const auto id = parse_number<UserId>(**after);
        if (!id || *id < 0) co_return fail(422, "after: must be the `next` of a page");
        last = *id;
    }
    const auto users = co_await services.catalog.list_users(last, *limit + 1);
    if (!users) co_return std::unexpected(users.error());
    co_return json_response(page_json(*users, *limit, user_json, cursor_text));
}

Task<Result<Response>> get_plan(Services& services, Request& request) {
    const auto user = co_await named_user(services, request);
    if (!user) co_return std::unexpected(user.error());
    co_return json_response(plan_or_empty(user->plan));
}

Task<Result<Response>> put_plan(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    const auto plan = read_plan(body->get());
    if (!plan) co_return std::unexpected(plan.error());
    if (auto known = check_models(services, *plan); !known)
        co_return std::unexpected(std::move(known.error()));
    const auto user = co_await named_user(services, request);
    if (!user) co_return std::unexpected(user.error());
    if (user->id == kAdminId) co_return fail(422, "The admin is not limited and has no plan");
    const std::string json = plan_json(*plan);
    const auto keys = co_await services.catalog.set_plan(user->id, json);
    if (!keys) co_return std::unexpected(keys.error());
    Response response = json_response(plan_or_empty(json));
    // The edge keeps the plan with each key.
    tell_edge(response, protocol::forget_header, *keys);
    co_return response;
}

Task<Result<Response>> delete_user(Services& services, Request& request) {
    const auto user = co_await named_user(services, request);
    if (!user) co_return std::unexpected(user.error());
    if (user->id == kAdminId) co_return fail(422, "The admin cannot be deleted");
    // Chats first: where this fails the user is still there to be deleted.
    auto forgotten = co_await services.sessions.forget_user(user->id);
    if (!forgotten) co_return std::unexpected(std::move(forgotten.error()));
    const auto deleted = co_await services.catalog.delete_user(user->id);
    if (!deleted) co_return std::unexpected(deleted.error());
    if (!*deleted) co_return fail(404, "Unknown user");
    for (const std::string& npc_id : (*deleted)->npc_ids)
        services.shared.npcs.forget(npc_id);
    Response response = json_response("", 204);
    tell_edge(response, protocol::revoke_header, (*deleted)->key_digests);
    co_return response;
}

} // namespace npcchat::routes
