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

ngx_int_t unauthorized(ngx_http_request_t* r) noexcept {
    auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (header == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    *header = {};
    header->hash = 1;
    ngx_str_set(&header->key, "WWW-Authenticate");
    ngx_str_set(&header->value, "Bearer");
    // Where "satisfy any" lets the request in all the same, nginx takes the header away through this.
    r->headers_out.www_authenticate = header;
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
        return lcf->mode == mode_optional ? NGX_DECLINED : unauthorized(r);
    case Auth::hit:
    case Auth::miss:
    case Auth::stale:
        break;
    }
    bool allowed = ctx->identity.role == Role::admin || static_cast<Role>(lcf->role) == Role::user;
    return allowed ? NGX_OK : NGX_HTTP_FORBIDDEN;
}

} // namespace npcchat
