// What the edge asks on a socket of its own: whose key is this?
#include "account/plan.hpp"
#include "base/ids.hpp"
#include "common/protocol.hpp"
#include "http/edge.hpp"
#include "routes/routes.hpp"

namespace npcchat::routes {

Task<Result<Response>> find_key(Services& services, Request& request) {
    if (!request.from_edge) co_return fail(403, "This needs the edge's secret");
    Response response;
    response.status = 204;
    if (equal_constant_time(request.key_digest, services.config.admin_key_digest)) {
        response.headers.emplace_back(protocol::user_header,
                                      identity_value(User{kAdminId, std::string(kAdminName), "", 0}));
        response.headers.emplace_back(protocol::role_header, std::string(protocol::role_admin));
        co_return response;
    }
    const auto owner = co_await services.catalog.find_key(std::string(request.key_digest));
    if (!owner) co_return std::unexpected(owner.error());
    if (!*owner) co_return fail(404, "Unknown key");
    response.headers.emplace_back(protocol::user_header, identity_value((*owner)->user));
    response.headers.emplace_back(protocol::role_header, std::string(protocol::role_user));
    response.headers.emplace_back(protocol::plan_header, edge_plan((*owner)->user.plan));
    if (const Millis left = (*owner)->expires_in; left > 0) {
        response.headers.emplace_back(protocol::expires_header, std::to_string((left + 999) / 1000));
    }
    co_return response;
}

} // namespace npcchat::routes
