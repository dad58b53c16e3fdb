// What is known of a request: made when it has been read, found again after internal redirects.
#include "authorization.hpp"
#include "headers.hpp"
#include "mask.hpp"
#include "module.hpp"

#include <openssl/rand.h>

#include <new>

namespace npcchat {

namespace {

/// Marks the context among the clean-ups of a pool.
extern "C" void context_cleanup(void*) {}

/// Random bytes are drawn for some two hundred requests at once, for a draw has a high price of its own; null
/// where there are none.
const unsigned char* random_bytes(std::size_t size) noexcept {
    static unsigned char random[4096];
    static std::size_t used = sizeof(random);

    if (sizeof(random) - used < size) {
        used = sizeof(random);
        if (RAND_bytes(random, sizeof(random)) != 1) return nullptr;
        used = 0;
    }
    used += size;
    return random + used - size;
}

/// Writes random hexadecimal digits, without a NUL. False: there are none.
template <std::size_t digits> bool write_random_hex(char* out) noexcept {
    std::array<unsigned char, digits / 2> bytes;
    const unsigned char* random = random_bytes(bytes.size());
    if (random == nullptr) return false;
    std::memcpy(bytes.data(), random, bytes.size());
    write_hex(bytes, out);
    return true;
}

ngx_int_t make_request_id(RequestContext* ctx) noexcept {
    if (!write_random_hex<made_id_size>(ctx->made_request_id)) return NGX_ERROR;
    ctx->request_id = ngx_text({ctx->made_request_id, made_id_size});
    return NGX_OK;
}

/// A new trace of version 00. Its flags are 00, for nobody has recorded anything of it; its id is that of the
/// request where that is new too, so that one text finds everything.
ngx_int_t make_traceparent(RequestContext* ctx) noexcept {
    static_assert(trace_id_size == made_id_size);
    char* text = ctx->made_traceparent;
    std::memcpy(text, "00-", trace_id_begin);
    char* trace_id = text + trace_id_begin;
    if (ctx->own_request_id) {
        std::memcpy(trace_id, ctx->made_request_id, trace_id_size);
    } else if (!write_random_hex<trace_id_size>(trace_id)) {
        return NGX_ERROR;
    }
    char* parent_id = trace_id + trace_id_size;
    *parent_id++ = '-';
    if (!write_random_hex<parent_id_size>(parent_id)) return NGX_ERROR;
    std::memcpy(parent_id + parent_id_size, "-00", sizeof("-00"));
    ctx->traceparent = ngx_text({text, traceparent_size});
    return NGX_OK;
}

/// The header of a name where there is just one.
class SingleHeader {
  public:
    explicit SingleHeader(const HeaderName& name) noexcept : name_(name) {}

    void look_at(const ngx_table_elt_t& header) noexcept {
        if (!is_named(header, name_)) return;
        single_ = found_ == nullptr;
        found_ = &header;
    }
    const ngx_str_t* value() const noexcept {
        return found_ != nullptr && single_ ? &found_->value : nullptr;
    }
    bool present() const noexcept { return found_ != nullptr; }

  private:
    const HeaderName& name_;
    const ngx_table_elt_t* found_ = nullptr;
    bool single_ = true;
};

/// Takes what is between edge and sidecar out of what the client sent, and what the request is known by in
/// logs: the client's where that is usable, else new ones.
ngx_int_t take_headers(ngx_list_t& headers, RequestContext* ctx) noexcept {
    SingleHeader id(header::request_id);
    SingleHeader trace(header::traceparent);
    SingleHeader state(header::tracestate);
    bool reserved = false;
    for_each_header(headers, [&](const ngx_table_elt_t& header) {
        reserved = reserved || is_reserved_header(header);
        id.look_at(header);
        trace.look_at(header);
        state.look_at(header);
        return true;
    });
    if (reserved && remove_reserved_headers(headers) != NGX_OK) return NGX_ERROR;
    ctx->ids_sent = id.present() || trace.present() || state.present();

    const ngx_str_t* given = id.value();
    ctx->own_request_id = given == nullptr || !protocol::is_request_id(view(*given));
    if (!ctx->own_request_id) {
        ctx->request_id = *given;
    } else if (make_request_id(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    given = trace.value();
    ctx->own_traceparent = given == nullptr || !is_traceparent(view(*given));
    if (ctx->own_traceparent) return make_traceparent(ctx);
    ctx->traceparent = *given;
    return NGX_OK;
}

/// Also of a request that nginx refused before it was read to its end, and may have redirected since.
ngx_int_t init_context(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    ngx_list_t& headers = r->headers_in.headers;
    if (headers.last == nullptr && ngx_list_init(&headers, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }
    if (take_headers(headers, ctx) != NGX_OK) return NGX_ERROR;
    if (r->headers_in.authorization != nullptr) {
        const Authorization authorization = parse_authorization(view(r->headers_in.authorization->value));
        ctx->key = authorization.key;
        ctx->authorization_ours = authorization.ours;
    }

    std::string_view path = target_path(view(r->unparsed_uri));
    ctx->canonical = is_canonical_path(path);
    if (!r->internal) {
        if (mask_history_user(r, ctx) != NGX_OK) return NGX_ERROR;
        return set_log_path(r, ctx, r->uri);
    }
    if (!ctx->canonical || find_history_user(path)) return NGX_OK;
    return set_log_path(r, ctx, ngx_text(path));
}

} // namespace

RequestContext* find_context(ngx_http_request_t* r) noexcept {
    r = r->main;
    auto* ctx = static_cast<RequestContext*>(ngx_http_get_module_ctx(r, ngx_http_npcchat_module));
    if (ctx != nullptr || (!r->internal && !r->filter_finalize)) return ctx;

    for (ngx_pool_cleanup_t* cleanup = r->pool->cleanup; cleanup != nullptr; cleanup = cleanup->next) {
        if (cleanup->handler != context_cleanup) continue;
        ctx = static_cast<RequestContext*>(cleanup->data);
        ngx_http_set_ctx(r, ctx, ngx_http_npcchat_module);
        return ctx;
    }
    return nullptr;
}

RequestContext* get_context(ngx_http_request_t* r) noexcept {
    if (RequestContext* ctx = find_context(r)) return ctx;

    r = r->main;
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(RequestContext));
    if (cleanup == nullptr) return nullptr;
    auto* ctx = new (cleanup->data) RequestContext{};
    if (init_context(r, ctx) != NGX_OK) return nullptr;

    cleanup->handler = context_cleanup;
    ngx_http_set_ctx(r, ctx, ngx_http_npcchat_module);
    return ctx;
}

ngx_int_t post_read_handler(ngx_http_request_t* r) noexcept {
    if (!server_conf(r)->used) return NGX_DECLINED;

    // Before anything can be logged of a request whose path has a key.
    set_log_handler(r);
    return get_context(r) != nullptr ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}

/// A path may look like a history of ours and belong to another application: where its location is not ours,
/// it gets it as it was sent. The search for the location begins again, for the masked path may have found
/// another.
ngx_int_t rewrite_handler(ngx_http_request_t* r) noexcept {
    if (r != r->main || r->internal || !server_conf(r)->used) return NGX_DECLINED;
    RequestContext* ctx = find_context(r);
    if (ctx == nullptr || ctx->raw == nullptr) return NGX_DECLINED;

    bool ours = location_conf(r)->mode != mode_off;
    if (ours != ctx->unmasked) return NGX_DECLINED;
    if (ours) return mask_history_user(r, ctx) == NGX_OK ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (r->uri.data != ctx->raw->masked) return NGX_DECLINED;
    if (unmask_history_user(r, ctx) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;

    // As ngx_http_core_post_rewrite_phase does it; nginx adds one, and the search stands before this phase.
    auto* cmcf =
        static_cast<ngx_http_core_main_conf_t*>(ngx_http_get_module_main_conf(r, ngx_http_core_module));
    auto* cscf =
        static_cast<ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf(r, ngx_http_core_module));
    r->loc_conf = cscf->ctx->loc_conf;
    r->phase_handler = static_cast<ngx_int_t>(cmcf->phase_engine.location_rewrite_index) - 2;
    return NGX_DECLINED;
}

ngx_int_t precontent_handler(ngx_http_request_t* r) noexcept {
    bool ours = location_conf(r)->mode != mode_off;
    if (r != r->main || !ours) {
        RequestContext* ctx = ours ? nullptr : find_context(r);
        if (ctx == nullptr) return NGX_DECLINED;
        ngx_int_t rc = r == r->main ? clear_request_headers(r, ctx) : hide_request_headers(r, ctx);
        return rc == NGX_OK ? ngx_int_t{NGX_DECLINED} : ngx_int_t{NGX_HTTP_INTERNAL_SERVER_ERROR};
    }

    RequestContext* ctx = get_context(r);
    if (ctx == nullptr || set_request_headers(r, ctx) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    drop_challenge(r, ctx);
    return limit_request(r, ctx);
}

} // namespace npcchat
