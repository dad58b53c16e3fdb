#include "http/router.hpp"

#include "base/percent.hpp"
#include "common/path.hpp"

#include <algorithm>
#include <optional>

namespace npcchat {
namespace {

std::string_view next_segment(std::string_view& path) {
    path.remove_prefix(1); // the slash
    const auto end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    return segment;
}

// The decoded parameters, where the path fits the pattern.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
    std::vector<std::string> params;
    while (!pattern.empty() && !path.empty()) {
        const std::string_view wanted = next_segment(pattern);
        if (wanted.starts_with("{+")) {
            params.push_back(decode_component(path.substr(1)).value_or(""));
            return params;
        }
        const std::string_view given = next_segment(path);
        if (wanted.starts_with('{'))
            params.push_back(decode_component(given).value_or(""));
        else if (wanted != given)
            return std::nullopt;
    }
    if (!pattern.empty() || !path.empty()) return std::nullopt;
    return params;
}

std::string_view without_slash(std::string_view path) {
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path;
}

std::string_view route_method(std::string_view method) {
    return method == "HEAD" ? "GET" : method;
}

void add_allowed(std::string& allowed, std::string_view method) {
    if (!allowed.empty()) allowed += ", ";
    allowed += method;
    if (method == "GET") allowed += ", HEAD";
}

Result<void> check_access(Access access, const Request& request) {
    if (access == Access::open) return {};
    if (!request.identity) return fail(401, "Missing or unknown API key");
    if (access == Access::admin && !request.identity->is_admin)
        return fail(403, "This needs the admin's key");
    return {};
}

} // namespace

Result<const Route*> find_route(std::span<const Route> routes, Request& request) {
    if (!is_canonical_path(request.path)) return fail(404, "Not Found");
    const std::string_view path = without_slash(request.path);
    std::string allowed;
    for (const Route& route : routes) {
        auto params = match(route.pattern, path);
        if (!params) continue;
        if (route.method != route_method(request.method)) {
            add_allowed(allowed, route.method);
            continue;
        }
        request.params = std::move(*params);
        if (auto granted = check_access(route.access, request); !granted) {
            return std::unexpected(std::move(granted.error()));
        }
        return &route;
    }
    if (!allowed.empty()) return std::unexpected(Error{405, "Method Not Allowed", 0, std::move(allowed)});
    return fail(404, "Not Found");
}

Body expected_body(std::span<const Route> routes, std::string_view method, std::string_view target) {
    const std::string_view path = without_slash(target.substr(0, target.find('?')));
    if (!is_canonical_path(path)) return Body::usual;
    const auto fits = [&](const Route& route) {
        return route.body == Body::document && route.method == method && match(route.pattern, path);
    };
    return std::ranges::any_of(routes, fits) ? Body::document : Body::usual;
}

} // namespace npcchat
