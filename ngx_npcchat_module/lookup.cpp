// Asking the sidecar whose a key is.
#include "headers.hpp"
#include "module.hpp"
#include "plan.hpp"

namespace npcchat {

namespace {

/// What an answer of the sidecar says of a key.
struct LookupAnswer {
    std::string_view user;
    std::string_view role;
    std::string_view plan;
    std::string_view expires;
};

LookupAnswer read_answer(ngx_list_t& headers) noexcept {
    LookupAnswer answer;
    const struct {
        std::string_view name;
        std::string_view& value;
    } wanted[] = {{protocol::user_header, answer.user},
                  {protocol::role_header, answer.role},
                  {protocol::plan_header, answer.plan},
                  {protocol::expires_header, answer.expires}};

    for_each_header(headers, [&](ngx_table_elt_t& header) {
        for (const auto& [name, value] : wanted) {
            if (has_name(header, name)) value = view(header.value);
        }
        return true;
    });
    return answer;
}

/// NGX_OK: `ctx->auth` is decided; NGX_DECLINED: the answer is malformed; NGX_ERROR.
ngx_int_t take_known(ngx_http_request_t* sr, RequestContext* ctx) noexcept {
    LookupAnswer answer = read_answer(sr->upstream->headers_in.headers);
    auto identity = parse_identity(answer.user, answer.role, answer.plan);
    auto lifetime = parse_count(answer.expires);
    if (!identity || (!lifetime && !answer.expires.empty())) return NGX_DECLINED;

    KeyZone& zone = *key_zone(main_conf(sr));
    if (!key_cache_put(zone, ctx->digest, *identity, lifetime, ctx->lookup_started)) {
        ctx->auth = Auth::denied;
        return NGX_OK;
    }
    return accept_identity(sr, ctx, *identity);
}

ngx_int_t take_answer(ngx_http_request_t* sr, RequestContext* ctx, ngx_uint_t status) noexcept {
    if (status == NGX_HTTP_NOT_FOUND && sr->upstream != nullptr) {
        key_cache_deny(*key_zone(main_conf(sr)), ctx->digest);
        ctx->auth = Auth::denied;
        return NGX_OK;
    }
    if (status == NGX_HTTP_NO_CONTENT && sr->upstream != nullptr) {
        ngx_int_t rc = take_known(sr, ctx);
        if (rc != NGX_DECLINED) return rc;
    }
    ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0, "key lookup failed, status: %ui", status);
    return use_stale(sr, ctx);
}

/// nginx calls it when the subrequest is done, for some errors more than once.
ngx_int_t lookup_done(ngx_http_request_t* sr, void* data, ngx_int_t rc) noexcept {
    auto* ctx = static_cast<RequestContext*>(data);
    if (ctx->auth != Auth::pending) return rc;

    bool refused = rc >= NGX_HTTP_SPECIAL_RESPONSE;
    ngx_uint_t status = refused ? static_cast<ngx_uint_t>(rc) : sr->headers_out.status;
    if (take_answer(sr, ctx, status) != NGX_OK) return NGX_ERROR;

    // Of an error nothing is sent, so its page need not be made; but a client that is gone ends the main
    // request.
    bool gone = rc == NGX_HTTP_CLIENT_CLOSED_REQUEST || rc == NGX_HTTP_REQUEST_TIME_OUT;
    return refused && !gone ? NGX_OK : rc;
}

/// The subrequest carries nothing of the client's but the digest, and that in no place that is logged.
ngx_int_t set_lookup_headers(ngx_http_request_t* r, ngx_http_request_t* sr,
                             const RequestContext* ctx) noexcept {
    ngx_str_t server = r->headers_in.server;
    sr->headers_in = {};
    sr->headers_in.server = server;
    sr->headers_in.content_length_n = -1;
    sr->headers_in.keep_alive_n = -1;

    char* hex = pool_array<char>(r->pool, digest_hex_size + 1);
    ngx_list_t& list = sr->headers_in.headers;
    if (hex == nullptr || ngx_list_init(&list, r->pool, 4, sizeof(ngx_table_elt_t)) != NGX_OK)
        return NGX_ERROR;
    write_hex(ctx->digest, hex);
    hex[digest_hex_size] = '\0';

    if (push_header(list, header::secret, main_conf(r)->secret) != NGX_OK ||
        push_header(list, header::key, ngx_text({hex, digest_hex_size})) != NGX_OK) {
        return NGX_ERROR;
    }
    return push_header(list, header::request_id, ctx->request_id);
}

} // namespace

ngx_int_t start_lookup(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    ctx->lookup_started = key_cache_revocations(*key_zone(main_conf(r)));

    auto* done =
        static_cast<ngx_http_post_subrequest_t*>(ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t)));
    if (done == nullptr) return NGX_ERROR;
    *done = {lookup_done, ctx};

    ngx_http_request_t* sr = nullptr;
    ngx_str_t uri = location_conf(r)->lookup;
    if (ngx_http_subrequest(r, &uri, nullptr, &sr, done, NGX_HTTP_SUBREQUEST_WAITED) != NGX_OK)
        return NGX_ERROR;

    // A body of its own: nginx must neither wait for the client's nor close its file.
    sr->request_body =
        static_cast<ngx_http_request_body_t*>(ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t)));
    if (sr->request_body == nullptr || set_lookup_headers(r, sr, ctx) != NGX_OK) return NGX_ERROR;
    sr->header_only = 1;

    ctx->auth = Auth::pending;
    return NGX_AGAIN;
}

} // namespace npcchat
