// Bodies of requests as JSON objects.
#pragma once

#include "base/json.hpp"
#include "http/message.hpp"

namespace npcchat {

// The body as a JSON object, whatever its content type.
inline Result<Json> json_body(const Request& request) {
    return parse_json_object(request.body);
}

// The same, for routes that also take forms: a form becomes an object of strings.
Result<Json> json_or_form_body(const Request& request);

Response json_response(std::string body, int status = 200);

} // namespace npcchat
