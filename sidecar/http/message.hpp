// A request as handlers see it, and the answer that they give.
#pragma once

#include "base/error.hpp"
#include "base/trace_context.hpp"
#include "catalog/catalog.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace npcchat {

class AnswerStream;
class Cancellation;

// Who asks, as the edge says beside the right secret.
struct Identity {
    UserId id = 0;
    std::string name;
    bool is_admin = false;
};

struct Request {
    std::string_view method;
    std::string_view path; // canonical, still percent-encoded
    std::string_view query;
    std::string_view content_type;
    std::string_view accept;
    std::string body;
    std::string request_id;

    bool from_edge = false; // the secret was right: what follows can be believed
    std::optional<Identity> identity;
    std::string_view client_address; // empty where unknown
    std::string_view path_user;      // X-Npcchat-Path-User
    std::string_view edge_report;    // X-Npcchat-Edge
    std::string_view key_digest;     // X-Npcchat-Key
    std::string_view plan;           // X-Npcchat-Plan
    std::string_view idempotency_key;
    std::string_view traceparent;
    std::string_view chat_id; // X-Chat-Id, for /v1

    std::optional<TraceContext> trace; // the server's span for it, where it is recorded

    // The server's, for as long as the request is handled; null in tests without one.
    Cancellation* cancellation = nullptr; // requested when the client leaves
    AnswerStream* stream = nullptr;

    std::vector<std::string> params; // the route's, decoded, in order

    // What the handler tells the edge's log, whatever the answer: X-Npcchat-Log.
    std::string log_fields;
};

struct Response {
    int status = 200;
    std::string body;
    std::string_view content_type = "application/json";
    std::vector<std::pair<std::string_view, std::string>> headers;
};

// The two forms that errors have: {"detail": "…"}, and OpenAI's, for /v1.
enum class ErrorForm { detail, openai };
ErrorForm error_form(std::string_view path);

Response error_response(const Error& error, ErrorForm form);

// The same as an event, for where the 200 is already out. Its body is the event.
Response error_event(const Error& error, ErrorForm form);

// The field's value in a request's query, decoded; nothing where it is absent. 400 for a malformed query.
Result<std::optional<std::string>> query_field(const Request& request, std::string_view name);

// The reason phrase of a status line, or "Unknown".
std::string_view reason_phrase(int status);

} // namespace npcchat
