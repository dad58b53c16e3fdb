// Whether a request's key lets it into a location.
#include "authorization.hpp"
#include "module.hpp"

namespace npcchat {

namespace {

/// Copies what the cache knows into the request's memory.
ngx_int_t keep_identity(ngx_http_request_t* r, RequestContext* ctx, const Identity& identity) noexcept {
    ngx_str_t name = pool_copy(r->pool, identity.name);
    ngx_str_t plan = pool_copy(r->pool, identity.plan);
    if (name.data == nullptr || plan.data == nullptr) return NGX_ERROR;
    ctx->identity = {identity.id, identity.role, view(name), view(plan)};
    return NGX_OK;
}

/// Decides from shared memory, or starts a lookup. NGX_OK where `ctx->auth` is decided, NGX_AGAIN or
/// NGX_ERROR.
ngx_int_t authenticate(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    Authorization authorization = parse_authorization(view(ctx->authorization));
    if (ctx->authorization.len == 0 || authorization.key.empty()) {
        ctx->auth = Auth::none;
        return NGX_OK;
    }
    ctx->digest = sha256(authorization.key);

    CachedIdentity cached;
    CacheAnswer answer = key_cache_get(*key_zone(main_conf(r)), ctx->digest, false, cached);
    if (answer == CacheAnswer::miss) return start_lookup(r, ctx);
    if (answer == CacheAnswer::denied) {
        ctx->auth = Auth::denied;
        return NGX_OK;
    }
    ctx->auth = answer == CacheAnswer::valid ? Auth::hit : Auth::stale;
    return keep_identity(r, ctx, cached.identity);
}

constexpr std::string_view challenge_name = "WWW-Authenticate";
constexpr std::string_view challenge_value = "Bearer";

/// Our challenge in the answer; null: there is none.
ngx_table_elt_t* find_challenge(ngx_http_request_t* r) noexcept {
    ngx_table_elt_t* found = nullptr;
    for_each_header(r->headers_out.headers, [&found](ngx_table_elt_t& header) {
        bool ours = view(header.key) == challenge_name && view(header.value) == challenge_value;
        if (ours) found = &header;
        return !ours;
    });
    return found;
}

/// Where redirects lead to more than one closed location, the answer has one challenge.
ngx_int_t unauthorized(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    ngx_table_elt_t* header = find_challenge(r);
    if (header == nullptr) header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (header == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    *header = {};
    header->hash = 1;
    header->key = ngx_text(challenge_name);
    header->value = ngx_text(challenge_value);
    r->headers_out.www_authenticate = header;
    ctx->challenged = true;
    return NGX_HTTP_UNAUTHORIZED;
}

} // namespace

ngx_int_t use_stale(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    CachedIdentity cached;
    CacheAnswer answer = key_cache_get(*key_zone(main_conf(r)), ctx->digest, true, cached);
    if (answer == CacheAnswer::valid || answer == CacheAnswer::stale) {
        ctx->auth = answer == CacheAnswer::valid ? Auth::hit : Auth::stale;
        return keep_identity(r->main, ctx, cached.identity);
    }
    ctx->auth = answer == CacheAnswer::denied ? Auth::denied : Auth::error;
    return NGX_OK;
}

ngx_int_t accept_identity(ngx_http_request_t* r, RequestContext* ctx, const Identity& identity) noexcept {
    ctx->auth = Auth::miss;
    return keep_identity(r->main, ctx, identity);
}

/// nginx does this itself for the last module that refused; with "satisfy any" that may be another.
void drop_challenge(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    // The page of an error keeps what belongs to the error.
    if (!ctx->challenged || r->error_page) return;
    if (ngx_table_elt_t* header = find_challenge(r)) header->hash = 0;
    ctx->challenged = false;
}

ngx_int_t access_handler(ngx_http_request_t* r) noexcept {
    const LocationConf* lcf = location_conf(r);
    if (lcf->mode == mode_off) return NGX_DECLINED;

    RequestContext* ctx = get_context(r);
    if (ctx == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    ctx->active = true;
    if (!ctx->canonical) return NGX_HTTP_NOT_FOUND;
    if (lcf->mode == mode_open) return NGX_DECLINED;

    if (ctx->auth == Auth::unseen) {
        ngx_int_t rc = authenticate(r, ctx);
        if (rc != NGX_OK) return rc;
    }

    switch (ctx->auth) {
    case Auth::pending:
        return NGX_AGAIN;
    case Auth::error:
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    case Auth::denied:
    case Auth::unseen:
    case Auth::none:
        return lcf->mode == mode_optional ? NGX_DECLINED : unauthorized(r, ctx);
    case Auth::hit:
    case Auth::miss:
    case Auth::stale:
        break;
    }
    bool allowed = ctx->identity.role == Role::admin || static_cast<Role>(lcf->role) == Role::user;
    return allowed ? NGX_OK : NGX_HTTP_FORBIDDEN;
}

} // namespace npcchat
