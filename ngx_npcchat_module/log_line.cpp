// $npcchat_log: what there is to know of a request, as one line of JSON. A log_format of as many variables
// costs several times as much, for nginx looks at each of them three times.
#include "log_fields.hpp"
#include "module.hpp"
#include "traceparent.hpp"

#include <algorithm>
#include <charconv>
#include <span>

namespace npcchat {

namespace {

/// A piece of the line, and what stands before it. What may need escaping says so.
struct Piece {
    std::string_view before;
    std::string_view value;
    bool escaped = false;
};

std::size_t max_size(std::span<const Piece> pieces) noexcept {
    std::size_t size = 0;
    for (const Piece& piece : pieces) {
        size += piece.before.size() + piece.value.size();
        if (piece.escaped) size += ngx_escape_json(nullptr, ngx_text(piece.value).data, piece.value.size());
    }
    return size;
}

u_char* append(u_char* out, std::string_view text) noexcept {
    return text.empty() ? out : ngx_cpymem(out, text.data(), text.size());
}

u_char* write(u_char* out, std::span<const Piece> pieces) noexcept {
    for (const Piece& piece : pieces) {
        out = append(out, piece.before);
        if (piece.escaped) {
            out = reinterpret_cast<u_char*>(
                ngx_escape_json(out, ngx_text(piece.value).data, piece.value.size()));
        } else {
            out = append(out, piece.value);
        }
    }
    return out;
}

/// Decimal text of a number, where it is.
class Number {
  public:
    explicit Number(std::int64_t value) noexcept : end_(std::to_chars(text_, std::end(text_), value).ptr) {}
    Number(const Number&) = delete;
    Number& operator=(const Number&) = delete;

    /// Of milliseconds: seconds with three decimals.
    static Number seconds(std::int64_t milliseconds) noexcept { return Number(milliseconds, '.'); }

    std::string_view text() const noexcept { return {text_, end_}; }

  private:
    Number(std::int64_t milliseconds, char point) noexcept {
        end_ = std::to_chars(text_, std::end(text_), milliseconds / 1000).ptr;
        *end_++ = point;
        for (std::int64_t unit = 100, rest = milliseconds % 1000; unit > 0; unit /= 10)
            *end_++ = static_cast<char>('0' + rest / unit % 10);
    }

    char text_[NGX_INT64_LEN + 4];
    char* end_;
};

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

/// A count as the sidecar told it; null where it did not.
std::string_view count_or_null(std::string_view text) noexcept {
    bool number = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    return number ? text : "null";
}

} // namespace

ngx_int_t log_line_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) noexcept {
    const RequestContext* ctx = get_context(r);
    if (ctx == nullptr) return NGX_ERROR;

    const auto& times = main_conf(r)->upstream_times;
    const Number status(status_of(r));
    const Number bytes_in(r->request_length);
    const Number bytes(std::max<off_t>(r->connection->sent - static_cast<off_t>(r->header_size), 0));
    const Number time = Number::seconds(elapsed_milliseconds(r));

    const Piece pieces[] = {
        {R"({"time":")",
         {reinterpret_cast<const char*>(ngx_cached_http_log_iso8601.data), ngx_cached_http_log_iso8601.len}},
        {R"(","request_id":")", view(ctx->request_id)},
        {R"(","trace_id":")", slice(view(ctx->traceparent), trace_id_begin, trace_id_size)},
        {R"(","client":")", view(r->connection->addr_text)},
        {R"(","method":")", view(r->main->method_name), true},
        {R"(","path":")", view(ctx->path), true},
        {R"(","route":")", route_name(r, *ctx), true},
        {R"(","status":)", status.text()},
        {R"(,"bytes_in":)", bytes_in.text()},
        {R"(,"bytes":)", bytes.text()},
        {R"(,"user":")", ctx->identity.name},
        {R"(","role":")", ctx->known() ? role_name(ctx->identity.role) : std::string_view{}},
        {R"(","plan":")", ctx->identity.plan, true},
        {R"(","auth":")", auth_status(ctx->auth)},
        {R"(","limit":")", limit_status(ctx->limit)},
        {R"(","npc":")", decoded_log_field(r, *ctx, protocol::log_npc), true},
        {R"(","chat":")", decoded_log_field(r, *ctx, protocol::log_chat), true},
        {R"(","model":")", decoded_log_field(r, *ctx, protocol::log_model), true},
        {R"(","tokens_in":)", count_or_null(log_field(view(ctx->log_fields), protocol::log_tokens_in))},
        {R"(,"tokens_out":)", count_or_null(log_field(view(ctx->log_fields), protocol::log_tokens_out))},
        {R"(,"request_time":)", time.text()},
        {R"(,"upstream_connect_time":")", upstream_time(r, times.connect)},
        {R"(","upstream_header_time":")", upstream_time(r, times.header)},
        {R"(","upstream_time":")", upstream_time(r, times.response)},
        {R"(","completion":")", r->request_complete ? "OK" : ""},
        {R"("})", {}},
    };

    auto* line = pool_array<u_char>(r->pool, max_size(pieces));
    if (line == nullptr) return NGX_ERROR;
    u_char* end = write(line, pieces);
    return set_value(v, {reinterpret_cast<char*>(line), static_cast<std::size_t>(end - line)});
}

} // namespace npcchat
