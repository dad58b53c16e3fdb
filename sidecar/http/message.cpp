#include "http/message.hpp"

#include "base/json.hpp"
#include "http/form.hpp"

#include <boost/beast/http/status.hpp>

namespace npcchat {

Response error_response(const Error& error) {
    Response response;
    response.status = error.status;
    response.body = error_body(error.detail);
    if (error.retry_after > 0)
        response.headers.emplace_back("Retry-After", std::to_string(error.retry_after));
    if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (!error.allow.empty()) response.headers.emplace_back("Allow", error.allow);
    return response;
}

Result<std::optional<std::string>> query_field(const Request& request, std::string_view name) {
    const auto fields = parse_query(request.query);
    if (!fields) return fail(400, "The query is malformed: " + fields.error());
    const std::string* value = find_field(*fields, name);
    if (!value) return std::nullopt;
    return std::optional(*value);
}

std::string_view reason_phrase(int status) {
    return boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
}

} // namespace npcchat
