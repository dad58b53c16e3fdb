#include "http/message.hpp"

#include "base/json.hpp"
#include "http/form.hpp"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

namespace npcchat {
namespace {

// OpenAI's names for kinds of errors; ngx_npcchat_module/error_page.cpp has the same.
std::string_view openai_type(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

// Errors in a field begin with its name: "messages[0].role: must be…".
std::string_view field_of(const Error& error) {
    if (error.status != 422) return {};
    const std::string_view detail = error.detail;
    const auto end = detail.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.[]0123456789");
    return detail.substr(std::min(end, detail.size())).starts_with(": ") ? detail.substr(0, end)
                                                                         : std::string_view();
}

std::string openai_error_body(const Error& error) {
    const std::string_view field = field_of(error);
    return fmt::format(R"({{"error": {{"message": {}, "type": "{}", "param": {}, "code": null}}}})",
                       json_string(error.detail), openai_type(error.status),
                       field.empty() ? "null" : json_string(field));
}

} // namespace

ErrorForm error_form(std::string_view path) {
    return path == "/v1" || path.starts_with("/v1/") ? ErrorForm::openai : ErrorForm::detail;
}

Response error_event(const Error& error, ErrorForm form) {
    Response response;
    response.status = error.status;
    response.body = form == ErrorForm::openai
                        ? fmt::format("data: {}\n\n", openai_error_body(error))
                        : fmt::format("event: error\ndata: {{\"detail\": {}, \"status\": {}}}\n\n",
                                      json_string(error.detail), error.status);
    return response;
}

Response error_response(const Error& error, ErrorForm form) {
    Response response;
    response.status = error.status;
    response.body = form == ErrorForm::openai ? openai_error_body(error) : error_body(error.detail);
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
