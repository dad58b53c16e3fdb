#include "routes/body.hpp"

#include "http/form.hpp"

namespace npcchat {

Result<Json> json_or_form_body(const Request& request) {
    // `curl -d '{…}'` sends JSON under a form's content type.
    const auto first = request.body.find_first_not_of(" \t\r\n");
    const bool looks_like_json = first != std::string::npos && request.body[first] == '{';
    if (!is_form(request.content_type) || looks_like_json) return json_body(request);
    const auto fields = parse_form(request.content_type, request.body);
    if (!fields) return fail(400, "The form is malformed: " + fields.error());
    Json object(json_object());
    for (const auto& [name, value] : *fields) {
        json_object_setn_new(object.get(), name.data(), name.size(),
                             json_stringn(value.data(), value.size()));
    }
    return object;
}

Response json_response(std::string body, int status) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

} // namespace npcchat
