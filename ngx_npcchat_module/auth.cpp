// Whether a request's key lets it into a location.
#include "module.hpp"

#include <algorithm>

namespace npcchat {

namespace {

/// Copies what the cache knows into the request's memory.
ngx_int_t keep_identity(ngx_http_request_t* r, RequestContext* ctx, const Identity& identity) noexcept {
    char* text = pool_array<char>(r->pool, identity.name.size() + identity.plan.size() + 2);
    if (text == nullptr) return NGX_ERROR;
    ctx->identity.id = identity.id;
    ctx->identity.role = identity.role;
    for (auto field : {&Identity::name, &Identity::plan}) {
        std::string_view value = identity.*field;
        ctx->identity.*field = {text, value.size()};
        // With a NUL behind it, as nginx's headers have it.
        text = std::copy(value.begin(), value.end(), text);
        *text++ = '\0';
    }
    return NGX_OK;
}

/// NGX_OK where `ctx->auth` is decided, NGX_AGAIN where the request waits, or NGX_ERROR.
ngx_int_t authenticate(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    if (ctx->key.empty()) {
        ctx->auth = Auth::none;
        return NGX_OK;
    }
    ctx->digest = sha256(ctx->key);
    bool elsewhere;
    if (consult_cache(r, ctx, KeyQuery::first, elsewhere) != NGX_OK) return NGX_ERROR;
    // Where its lookup failed at once, it has been woken already.
    return ctx->waiter != nullptr ? NGX_AGAIN : NGX_OK;
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

ngx_int_t consult_cache(ngx_http_request_t* r, RequestContext* ctx, KeyQuery query,
                        bool& elsewhere) noexcept {
    KeyAnswer answer;
    key_cache_get(*key_zone(main_conf(r)), ctx->digest, query, answer);
    elsewhere = answer.elsewhere;

    ngx_int_t rc = NGX_OK;
    switch (answer.state) {
    case KeyState::pending:
        ctx->auth = Auth::pending;
        if (query == KeyQuery::first) rc = wait_for_key(r, ctx, answer.elsewhere);
        break;
    case KeyState::valid:
    case KeyState::stale:
        ctx->auth = answer.state == KeyState::valid ? Auth::hit : Auth::stale;
        rc = keep_identity(r, ctx, answer.identity);
        break;
    case KeyState::denied:
        ctx->auth = Auth::denied;
        break;
    case KeyState::failed:
        ctx->auth = Auth::error;
        break;
    }
    // Last, for it may be answered at once, and then wakes who waits. It is owed to the cache in any case.
    if (answer.ask) start_lookup(r, ctx, answer.changes);
    return rc;
}

ngx_int_t accept_identity(ngx_http_request_t* r, RequestContext* ctx, const Identity& identity) noexcept {
    ctx->auth = Auth::miss;
    return keep_identity(r, ctx, identity);
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
    if (ctx->auth == Auth::pending) return NGX_AGAIN;
    stop_waiting(ctx);

    switch (ctx->auth) {
    case Auth::pending:
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
