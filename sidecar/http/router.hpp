// The table of routes, and what it says of a request.
#pragma once

#include "http/message.hpp"
#include "io/task.hpp"

#include <functional>
#include <span>

namespace npcchat {

struct Services;

enum class Access { open, key, admin };
enum class Body { usual, document }; // how large it may be: MAX_BODY, or as much as documents are

using Handler = Task<Result<Response>> (*)(Services&, Request&);

struct Route {
    std::string_view method;
    // "/npcs/{id}": a segment in braces takes any one segment, "{+id}" at the end takes all that follow. No
    // trailing slash.
    std::string_view pattern;
    Access access;
    Handler handler;
    Body body = Body::usual;
};

// The route of the request, whose params it fills in. A trailing slash is optional, HEAD is answered as GET.
// 404 for an unknown or non-canonical path; 405 with what is allowed; 401 and 403 as the route's access says.
Result<const Route*> find_route(std::span<const Route> routes, Request& request);

// What the body of a request may be that has this method and target (path and query). Body::usual where there
// is no such route.
Body expected_body(std::span<const Route> routes, std::string_view method, std::string_view target);

} // namespace npcchat
