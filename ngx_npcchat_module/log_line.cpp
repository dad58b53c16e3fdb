// $npcchat_log: what there is to know of a request, as one line of JSON. A log_format of as many variables
// costs several times as much, for nginx looks at each of them three times.
#include "log_fields.hpp"
#include "module.hpp"
#include "text_writer.hpp"

#include <algorithm>

namespace npcchat {

namespace {

/// The values of a line, fit for JSON; empty where nothing is known.
struct LogLine {
    std::string_view time;
    std::string_view request_id;
    std::string_view trace_id;
    std::string_view client;
    std::string_view method;
    std::string_view path;
    std::string_view route;
    std::int64_t status;
    std::int64_t bytes_in;
    std::int64_t bytes;
    std::string_view user;
    std::string_view role;
    std::string_view plan;
    std::string_view auth;
    std::string_view limit;
    std::string_view npc;
    std::string_view chat;
    std::string_view model;
    std::string_view tokens_in;
    std::string_view tokens_out;
    std::int64_t milliseconds;
    std::string_view connect_time;
    std::string_view header_time;
    std::string_view response_time;
    std::string_view completion;
};

/// A field, given by all that stands before its value, if it has one: what is not there need not be written,
/// to the disk neither.
template <typename Out, std::size_t size>
void write_text(Out& out, const char (&field)[size], std::string_view value) noexcept {
    if (!value.empty()) out.write(field, value, '"');
}

template <typename Out, std::size_t size>
void write_count(Out& out, const char (&field)[size], std::string_view digits) noexcept {
    if (!digits.empty()) out.write(field, digits);
}

/// `Out` is a TextRoom or a TextWriter.
template <typename Out> void write_line(Out& out, const LogLine& line) noexcept {
    out.write(R"({"time":")", line.time);
    out.write(R"(","request_id":")", line.request_id);
    out.write(R"(","trace_id":")", line.trace_id);
    out.write(R"(","client":")", line.client, '"');
    write_text(out, R"(,"method":")", line.method);
    out.write(R"(,"path":")", line.path, '"');
    write_text(out, R"(,"route":")", line.route);
    out.write(R"(,"status":)", line.status);
    out.write(R"(,"bytes_in":)", line.bytes_in);
    out.write(R"(,"bytes":)", line.bytes);
    write_text(out, R"(,"user":")", line.user);
    write_text(out, R"(,"role":")", line.role);
    write_text(out, R"(,"plan":")", line.plan);
    write_text(out, R"(,"auth":")", line.auth);
    write_text(out, R"(,"limit":")", line.limit);
    write_text(out, R"(,"npc":")", line.npc);
    write_text(out, R"(,"chat":")", line.chat);
    write_text(out, R"(,"model":")", line.model);
    write_count(out, R"(,"tokens_in":)", line.tokens_in);
    write_count(out, R"(,"tokens_out":)", line.tokens_out);
    out.add(R"(,"request_time":)");
    out.add_seconds(line.milliseconds);
    write_text(out, R"(,"upstream_connect_time":")", line.connect_time);
    write_text(out, R"(,"upstream_header_time":")", line.header_time);
    write_text(out, R"(,"upstream_time":")", line.response_time);
    out.write(R"(,"completion":")", line.completion, R"("})");
}

/// What may have any character, escaped in a copy where it must be; empty where there is no memory for one.
std::string_view json_text(ngx_pool_t* pool, std::string_view text) noexcept {
    // To the end in any case: compilers look at many bytes at a time then.
    bool plain = true;
    for (char c : text)
        plain &= static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
    if (plain) return text;

    u_char* from = ngx_text(text).data;
    std::size_t size = text.size() + ngx_escape_json(nullptr, from, text.size());
    char* copy = pool_array<char>(pool, size);
    if (copy == nullptr) return {};
    ngx_escape_json(reinterpret_cast<u_char*>(copy), from, text.size());
    return {copy, size};
}

/// A count as the sidecar told it; empty where it did not.
std::string_view count(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }) ? text : std::string_view{};
}

/// What only the sidecar knows.
void add_sidecars_fields(ngx_http_request_t* r, const RequestContext& ctx, LogLine& line) noexcept {
    const auto text = [r, &ctx](std::string_view name) {
        return json_text(r->pool, decoded_log_field(r, ctx, name));
    };
    line.npc = text(protocol::log_npc);
    line.chat = text(protocol::log_chat);
    line.model = text(protocol::log_model);
    line.tokens_in = count(log_field(view(ctx.log_fields), protocol::log_tokens_in));
    line.tokens_out = count(log_field(view(ctx.log_fields), protocol::log_tokens_out));
}

/// As nginx's $status has it.
std::int64_t status_of(ngx_http_request_t* r) noexcept {
    if (r->err_status != 0) return static_cast<std::int64_t>(r->err_status);
    if (r->headers_out.status != 0) return static_cast<std::int64_t>(r->headers_out.status);
    return r->http_version == NGX_HTTP_VERSION_9 ? 9 : 0;
}

std::int64_t elapsed_milliseconds(ngx_http_request_t* r) noexcept {
    const auto* now = ngx_timeofday();
    auto seconds = static_cast<std::int64_t>(now->sec) - static_cast<std::int64_t>(r->start_sec);
    auto rest = static_cast<std::int64_t>(now->msec) - static_cast<std::int64_t>(r->start_msec);
    return std::max<std::int64_t>(seconds * 1000 + rest, 0);
}

/// nginx's own text of it; empty where the request was not passed on.
std::string_view upstream_time(ngx_http_request_t* r, ngx_int_t index) noexcept {
    if (r->upstream_states == nullptr) return {};
    const ngx_http_variable_value_t* value = ngx_http_get_indexed_variable(r, static_cast<ngx_uint_t>(index));
    if (value == nullptr || value->not_found) return {};
    return {reinterpret_cast<const char*>(value->data), value->len};
}

} // namespace

ngx_int_t log_line_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) noexcept {
    const RequestContext* ctx = get_context(r);
    if (ctx == nullptr) return NGX_ERROR;

    const auto& times = main_conf(r)->upstream_times;
    LogLine line = {
        .time = {reinterpret_cast<const char*>(ngx_cached_http_log_iso8601.data),
                 ngx_cached_http_log_iso8601.len},
        .request_id = view(ctx->request_id),
        .trace_id = slice(view(ctx->traceparent), trace_id_begin, trace_id_size),
        .client = view(r->connection->addr_text),
        .method = json_text(r->pool, view(r->main->method_name)),
        .path = json_text(r->pool, view(ctx->path)),
        .route = json_text(r->pool, route_name(r, *ctx)),
        .status = status_of(r),
        .bytes_in = r->request_length,
        .bytes = std::max<off_t>(r->connection->sent - static_cast<off_t>(r->header_size), 0),
        .user = ctx->identity.name,
        .role = ctx->known() ? role_name(ctx->identity.role) : std::string_view{},
        .plan = json_text(r->pool, ctx->identity.plan),
        .auth = auth_status(ctx->auth),
        .limit = limit_status(ctx->limit),
        .npc = {},
        .chat = {},
        .model = {},
        .tokens_in = {},
        .tokens_out = {},
        .milliseconds = elapsed_milliseconds(r),
        .connect_time = upstream_time(r, times.connect),
        .header_time = upstream_time(r, times.header),
        .response_time = upstream_time(r, times.response),
        .completion = r->request_complete ? "OK" : "",
    };

    if (ctx->log_fields.len != 0) add_sidecars_fields(r, *ctx, line);

    TextRoom room;
    write_line(room, line);
    char* memory = pool_array<char>(r->pool, room.size());
    if (memory == nullptr) return NGX_ERROR;
    TextWriter out(memory);
    write_line(out, line);
    return set_value(v, out.take());
}

} // namespace npcchat
