// For operators and tools: metrics, health, the API's documentation.
#include "base/assets.hpp"
#include "http/edge.hpp"
#include "model/target_metrics.hpp"
#include "routes/body.hpp"
#include "routes/routes.hpp"

#include <array>
#include <fmt/format.h>

namespace npcchat::routes {
namespace {

constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";
// The page loads its own files and the document, and nothing else.
constexpr const char* kDocsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; "
                                    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
                                    "form-action 'none'; frame-ancestors 'none'";
constexpr auto kReadyFor = std::chrono::milliseconds(1000);
constexpr auto kUnreadyFor = std::chrono::milliseconds(100);

Result<void> check_metrics_access(const Services& services, const Request& request) {
    if (request.identity && request.identity->is_admin) return {};
    if (services.config.metrics_allow.contains(std::string(request.client_address))) return {};
    if (request.identity) return fail(403, "This needs the admin's key");
    return fail(401, "Missing or unknown API key");
}

// The seed's form, for the whole gateway: the edge's counts include what never came this far.
std::string metrics_json(std::span<const Metrics* const> loops, const Request& request) {
    EdgeCounts counts;
    if (const auto edge = parse_edge_counts(request.edge_report)) {
        counts = *edge;
    } else {
        for (std::size_t route = 0; route < kMaxRoutes; ++route) {
            for (std::size_t status = 1; status < 6; ++status) {
                const auto sum = sum_over(loops, [=](const Metrics& m) -> const Counter& {
                    return m.routes[route].by_class[status];
                });
                counts.by_class[status] += sum;
                counts.total += sum;
            }
        }
    }
    const auto in = sum_over(loops, [](const Metrics& m) -> const Counter& { return m.tokens_in; });
    const auto out = sum_over(loops, [](const Metrics& m) -> const Counter& { return m.tokens_out; });
    return fmt::format(R"({{"200x": {}, "400x": {}, "500x": {}, "total_requests": {}, "tokens_in": {}, )"
                       R"("tokens_out": {}}})",
                       counts.by_class[2], counts.by_class[4], counts.by_class[5], counts.total, in, out);
}

std::vector<RouteName> route_names() {
    std::vector<RouteName> names;
    for (const Route& route : public_routes())
        names.push_back({route.method, route.pattern});
    return names;
}

// One check a second on each loop, however many ask; sooner again where a store was down.
struct Readiness {
    Clock::time_point checked_at{};
    bool catalog = false;
    bool sessions = false;
};

Response asset_response(std::string_view name, std::string_view content_type) {
    Response response;
    response.content_type = content_type;
    response.body = find_asset(name);
    response.headers.emplace_back("Content-Security-Policy", kDocsPolicy);
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    return response;
}

std::string_view content_type_of(std::string_view file) {
    if (file.ends_with(".css")) return "text/css; charset=utf-8";
    if (file.ends_with(".js")) return "text/javascript; charset=utf-8";
    return "text/html; charset=utf-8";
}

} // namespace

Task<Result<Response>> metrics(Services& services, Request& request) {
    if (auto allowed = check_metrics_access(services, request); !allowed) {
        co_return std::unexpected(std::move(allowed.error()));
    }
    const std::span<const Metrics* const> loops = services.shared.metrics;
    if (request.accept.contains("application/json")) co_return json_response(metrics_json(loops, request));
    PrometheusText text;
    write_metrics(text, loops, route_names());
    write_target_metrics(text, *services.table);
    write_search_metrics(text, services.shared.words.metrics(), services.shared.vectors.metrics());
    Response response = json_response(text.take());
    response.content_type = kPrometheus;
    co_return response;
}

Task<Result<Response>> healthz(Services&, Request&) {
    co_return json_response(R"({"status": "ok"})");
}

Task<Result<Response>> readyz(Services& services, Request&) {
    static thread_local Readiness last;
    const bool was_ready = last.catalog && last.sessions;
    if (Clock::now() - last.checked_at > (was_ready ? kReadyFor : kUnreadyFor)) {
        const auto catalog = co_await services.catalog.ping();
        const auto sessions = co_await services.sessions.ping();
        last = Readiness{Clock::now(), catalog.has_value(), sessions.has_value()};
    }
    if (last.catalog && last.sessions) co_return json_response(R"({"status": "ok"})");
    const std::string_view down = last.catalog ? "sessions" : last.sessions ? "catalog" : "catalog, sessions";
    co_return fail(503, fmt::format("Not ready, these stores do not answer: {}", down), 1);
}

Task<Result<Response>> docs_page(Services&, Request&) {
    co_return asset_response("docs/index.html", "text/html; charset=utf-8");
}

Task<Result<Response>> docs_asset(Services&, Request& request) {
    const std::string name = "docs/" + request.params.front();
    if (find_asset(name).empty()) co_return fail(404, "Not Found");
    co_return asset_response(name, content_type_of(name));
}

Task<Result<Response>> openapi(Services&, Request&) {
    co_return json_response(std::string(find_asset("openapi.json")));
}

} // namespace npcchat::routes
