#include "mask.hpp"

#include "module.hpp"

#include <algorithm>

namespace npcchat {

namespace {

ngx_int_t set_path_user(ngx_http_request_t* r, RequestContext* ctx, std::string_view user) noexcept {
    u_char* lower = pool_array<u_char>(r->pool, user.size());
    char* value = pool_array<char>(r->pool, 2 * digest_hex_size + 2);
    if (lower == nullptr || value == nullptr) return NGX_ERROR;
    ngx_strlow(lower, ngx_text(user).data, user.size());

    write_hex(sha256(user), value);
    value[digest_hex_size] = ' ';
    write_hex(sha256({reinterpret_cast<char*>(lower), user.size()}), value + digest_hex_size + 1);
    value[2 * digest_hex_size + 1] = '\0';
    ctx->path_user = ngx_text({value, 2 * digest_hex_size + 1});
    return NGX_OK;
}

ngx_str_t escaped(ngx_pool_t* pool, ngx_str_t uri) noexcept {
    std::size_t size = uri.len + 2 * ngx_escape_uri(nullptr, uri.data, uri.len, NGX_ESCAPE_URI);
    u_char* text = pool_array<u_char>(pool, size + 1);
    if (text == nullptr) return {size, nullptr};
    ngx_escape_uri(text, uri.data, uri.len, NGX_ESCAPE_URI);
    return {size, text};
}

/// Whether there is surely nothing to escape.
bool is_plain_path(std::string_view path) noexcept {
    return std::ranges::all_of(
        path, [](char c) { return c == '/' || is_unreserved(static_cast<unsigned char>(c)); });
}

/// The target and the request line anew, from the masked URI: the raw ones may have the key in any encoding.
ngx_int_t rewrite_request_line(ngx_http_request_t* r, ngx_str_t uri) noexcept {
    ngx_str_t path = escaped(r->pool, uri);
    if (path.data == nullptr) return NGX_ERROR;

    std::size_t room = r->method_name.len + 1 + path.len + 1 + r->args.len + 1 + r->http_protocol.len;
    u_char* line = pool_array<u_char>(r->pool, room + 1);
    if (line == nullptr) return NGX_ERROR;

    u_char* target = ngx_sprintf(line, "%V ", &r->method_name);
    u_char* end = ngx_sprintf(target, r->args.len != 0 ? "%V?%V" : "%V", &path, &r->args);
    r->unparsed_uri = {static_cast<std::size_t>(end - target), target};
    if (r->http_protocol.len != 0) end = ngx_sprintf(end, " %V", &r->http_protocol);
    *end = '\0';
    r->request_line = {static_cast<std::size_t>(end - line), line};
    return NGX_OK;
}

/// A raw path without keys, as far as its query.
u_char* write_masked(u_char* out, u_char* last, const ngx_str_t& uri) noexcept {
    auto room = static_cast<std::size_t>(last - out);
    return out + mask_keys(target_path(view(uri)), reinterpret_cast<char*>(out), room);
}

/// Formats at the end of an error log's line and moves on.
template <typename... Args>
void append(u_char*& out, u_char* last, const char* format, Args... args) noexcept {
    out = ngx_slprintf(out, last, format, args...);
}

void append_upstream(u_char*& out, u_char* last, const ngx_http_upstream_t& upstream) noexcept {
    const char* separator = "";
    if (upstream.peer.sockaddr != nullptr && upstream.peer.sockaddr->sa_family == AF_UNIX) separator = ":";
    append(out, last, ", upstream: \"%V%V%s", &upstream.schema, upstream.peer.name, separator);
    out = write_masked(out, last, upstream.uri);
    append(out, last, "\"");
}

ngx_http_log_handler_pt nginx_log_handler;

/// Allocates nothing: it may be called because an allocation failed.
u_char* log_error(ngx_http_request_t* r, ngx_http_request_t* sr, u_char* buf, size_t len) {
    const RequestContext* ctx = find_context(r);
    // Other applications' lines stay as they are.
    bool masked = ctx != nullptr && ctx->raw != nullptr && !ctx->unmasked;
    if (location_conf(r)->mode == mode_off && !r->internal && ctx != nullptr && !ctx->active && !masked) {
        return nginx_log_handler(r, sr, buf, len);
    }

    u_char* last = buf + len;
    auto* cscf =
        static_cast<ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf(r, ngx_http_core_module));
    append(buf, last, ", server: %V", &cscf->server_name);

    if (ctx != nullptr) {
        append(buf, last, ", request: \"%V %V %V\"", &r->method_name, &ctx->path, &r->http_protocol);
    }
    if (r != sr) {
        append(buf, last, ", subrequest: \"");
        buf = write_masked(buf, last, sr->uri);
        append(buf, last, "\"");
    }
    if (sr->upstream != nullptr && sr->upstream->peer.name != nullptr)
        append_upstream(buf, last, *sr->upstream);
    if (r->headers_in.host != nullptr) append(buf, last, ", host: \"%V\"", &r->headers_in.host->value);
    return buf;
}

} // namespace

void set_log_handler(ngx_http_request_t* r) noexcept {
    if (r->log_handler == log_error) return;
    nginx_log_handler = r->log_handler;
    r->log_handler = log_error;
}

ngx_int_t mask_history_user(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    auto user = find_history_user(view(r->uri));
    if (!user) return NGX_OK;
    if (user->single && (r->method == NGX_HTTP_GET || r->method == NGX_HTTP_HEAD) &&
        set_path_user(r, ctx, slice(view(r->uri), user->begin, user->size)) != NGX_OK) {
        return NGX_ERROR;
    }

    std::string_view front = slice(view(r->uri), 0, user->begin);
    std::string_view back = slice(view(r->uri), user->begin + user->size);
    std::size_t size = front.size() + protocol::masked_segment.size() + back.size();
    char* uri = pool_array<char>(r->pool, size);
    auto* raw = static_cast<RawTarget*>(ngx_palloc(r->pool, sizeof(RawTarget)));
    if (uri == nullptr || raw == nullptr) return NGX_ERROR;
    for (char* out = uri; std::string_view part : {front, protocol::masked_segment, back}) {
        out = std::copy(part.begin(), part.end(), out);
    }

    *raw = {r->uri, r->unparsed_uri, r->request_line, reinterpret_cast<u_char*>(uri)};
    ctx->raw = raw;
    ctx->unmasked = false;
    r->uri = ngx_text({uri, size});
    ngx_http_set_exten(r);
    return rewrite_request_line(r, r->uri);
}

ngx_int_t unmask_history_user(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    r->uri = ctx->raw->uri;
    r->unparsed_uri = ctx->raw->unparsed_uri;
    r->request_line = ctx->raw->request_line;
    ngx_http_set_exten(r);
    ctx->unmasked = true;
    ctx->path_user = {0, nullptr};
    return set_log_path(r, ctx, r->uri);
}

ngx_int_t set_log_path(ngx_http_request_t* r, RequestContext* ctx, ngx_str_t uri) noexcept {
    if (has_key_like(view(uri))) {
        char* masked = pool_array<char>(r->pool, uri.len);
        if (masked == nullptr) return NGX_ERROR;
        uri = ngx_text({masked, mask_keys(view(uri), masked, uri.len)});
    }
    if (!is_plain_path(view(uri))) uri = escaped(r->pool, uri);
    if (uri.len != 0 && uri.data == nullptr) return NGX_ERROR;
    ctx->path = uri;
    return NGX_OK;
}

} // namespace npcchat
