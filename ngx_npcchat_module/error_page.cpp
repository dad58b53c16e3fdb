// `npcchat_error_page`: errors as JSON, for error_page.
#include "module.hpp"

namespace npcchat {

namespace {

struct ErrorText {
    ngx_uint_t status;
    std::string_view text;
};

constexpr ErrorText error_texts[] = {
    {400, "Bad Request"},
    {401, "Missing or unknown API key"},
    {403, "This needs the admin's key"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "The request took too long"},
    {411, "A Content-Length is needed"},
    {413, "The body is too large"},
    {414, "The URI is too long"},
    {415, "Unsupported media type"},
    {416, "The range cannot be satisfied"},
    {421, "Misdirected request"},
    {429, "Rate limit exceeded"},
    {500, "Internal server error"},
    {501, "Not implemented"},
    {502, "Bad gateway"},
    {503, "The service is not available, try again"},
    {504, "Gateway timeout"},
    {505, "HTTP version not supported"},
};

std::string_view error_text(ngx_uint_t status) noexcept {
    for (const ErrorText& error : error_texts) {
        if (error.status == status) return error.text;
    }
    return status < 500 ? "The request cannot be served" : "The server failed";
}

/// OpenAI's names for kinds of errors.
std::string_view error_type(ngx_uint_t status) noexcept {
    switch (status) {
    case NGX_HTTP_UNAUTHORIZED:
        return "authentication_error";
    case NGX_HTTP_FORBIDDEN:
        return "permission_error";
    case NGX_HTTP_NOT_FOUND:
        return "not_found_error";
    case NGX_HTTP_TOO_MANY_REQUESTS:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

bool is_openai_path(std::string_view path) noexcept {
    constexpr std::string_view front = "/v1";
    return path.starts_with(front) && (path.size() == front.size() || path[front.size()] == '/');
}

/// The body; empty where there is no memory. None of the texts needs escaping.
ngx_str_t error_body(ngx_http_request_t* r, ngx_uint_t status) noexcept {
    constexpr std::size_t frame = 128;
    ngx_str_t text = ngx_text(error_text(status));
    ngx_str_t type = ngx_text(error_type(status));
    u_char* body = pool_array<u_char>(r->pool, frame + text.len + type.len);
    if (body == nullptr) return {0, nullptr};

    u_char* end;
    if (is_openai_path(target_path(view(r->main->unparsed_uri)))) {
        end = ngx_sprintf(
            body, "{\"error\": {\"message\": \"%V\", \"type\": \"%V\", \"param\": null, \"code\": null}}",
            &text, &type);
    } else {
        end = ngx_sprintf(body, "{\"detail\": \"%V\"}", &text);
    }
    return {static_cast<std::size_t>(end - body), body};
}

} // namespace

ngx_int_t error_page_handler(ngx_http_request_t* r) noexcept {
    // Without a status nobody was redirected here: the location was asked for itself.
    ngx_uint_t status = r->err_status != 0 ? r->err_status : ngx_uint_t{NGX_HTTP_NOT_FOUND};

    // nginx would send "100 Continue" before it discards a body that the client has not begun to send.
    r->expect_tested = 1;
    if (ngx_http_discard_request_body(r) != NGX_OK) r->keepalive = 0;

    ngx_str_t body = error_body(r, status);
    auto* buffer = static_cast<ngx_buf_t*>(ngx_calloc_buf(r->pool));
    if (body.data == nullptr || buffer == nullptr) return NGX_ERROR;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);
    r->headers_out.status = status;
    r->headers_out.content_length_n = static_cast<off_t>(body.len);
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = nullptr;

    ngx_int_t rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;

    buffer->pos = body.data;
    buffer->last = body.data + body.len;
    buffer->memory = 1;
    buffer->last_buf = r == r->main;
    buffer->last_in_chain = 1;
    ngx_chain_t out = {buffer, nullptr};
    return ngx_http_output_filter(r, &out);
}

} // namespace npcchat
