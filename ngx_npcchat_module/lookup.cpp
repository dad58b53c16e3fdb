// Asking the sidecar whose a key is.
#include "headers.hpp"
#include "metrics.hpp"
#include "module.hpp"
#include "own_request.hpp"
#include "plan.hpp"

namespace npcchat {

namespace {

/// So long who waits for a lookup waits, whatever times its location allows.
constexpr ngx_msec_t deadline = 3000;

struct Lookup {
    ngx_event_t late;
    KeyZone* zone;
    Digest digest;
    std::uint64_t changes; ///< of the cache when it began
    bool failed;           ///< by the deadline; an answer after it is still of use to the cache
    bool done;
};

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

/// Tells all who wait in this worker.
template <typename Decide> void settle(const Digest& digest, Decide decide) noexcept {
    while (ngx_http_request_t* r = take_waiting(digest)) {
        RequestContext* ctx = find_context(r);
        if (decide(r, ctx) != NGX_OK) ctx->auth = Auth::error;
    }
}

void settle_denied(const Digest& digest) noexcept {
    settle(digest, [](ngx_http_request_t*, RequestContext* ctx) {
        ctx->auth = Auth::denied;
        return NGX_OK;
    });
}

void settle_failed(KeyZone& zone, const Digest& digest) noexcept {
    key_cache_fail(zone, digest);
    settle(digest, [](ngx_http_request_t* r, RequestContext* ctx) {
        bool elsewhere;
        return consult_cache(r, ctx, KeyQuery::refused, elsewhere);
    });
}

/// False: the answer is malformed.
bool take_known(ngx_http_request_t* sr, Lookup& lookup) noexcept {
    LookupAnswer answer = read_answer(sr->upstream->headers_in.headers);
    auto identity = parse_identity(answer.user, answer.role, answer.plan);
    auto lifetime = parse_count(answer.expires);
    if (!identity || (!lifetime && !answer.expires.empty())) return false;

    if (!key_cache_put(*lookup.zone, lookup.digest, *identity, lifetime, lookup.changes)) {
        settle_denied(lookup.digest);
        return true;
    }
    settle(lookup.digest, [&identity](ngx_http_request_t* r, RequestContext* ctx) {
        return accept_identity(r, ctx, *identity);
    });
    return true;
}

void take_answer(ngx_http_request_t* sr, Lookup& lookup, ngx_uint_t status) noexcept {
    if (status == NGX_HTTP_NOT_FOUND && sr->upstream != nullptr) {
        key_cache_deny(*lookup.zone, lookup.digest);
        settle_denied(lookup.digest);
        count_lookup(sr, LookupResult::unknown);
        return;
    }
    if (status == NGX_HTTP_NO_CONTENT && sr->upstream != nullptr && take_known(sr, lookup)) {
        count_lookup(sr, LookupResult::found);
        return;
    }
    if (!lookup.failed) {
        ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0, "key lookup failed, status: %ui", status);
        settle_failed(*lookup.zone, lookup.digest);
    }
    count_lookup(sr, LookupResult::failed);
}

extern "C" void lookup_late(ngx_event_t* event) {
    auto& lookup = *static_cast<Lookup*>(event->data);
    ngx_log_error(NGX_LOG_ERR, event->log, 0, "key lookup failed, no answer in %M ms", deadline);
    lookup.failed = true;
    settle_failed(*lookup.zone, lookup.digest);
}

extern "C" void end_lookup(void* data) {
    auto& lookup = *static_cast<Lookup*>(data);
    if (lookup.late.timer_set) {
        ngx_del_timer(&lookup.late);
    }
}

/// nginx calls it when the subrequest is done, for some errors more than once.
extern "C" ngx_int_t lookup_done(ngx_http_request_t* sr, void* data, ngx_int_t rc) {
    auto& lookup = *static_cast<Lookup*>(data);
    if (lookup.done) return NGX_OK;
    lookup.done = true;
    end_lookup(&lookup);
    bool refused = rc >= NGX_HTTP_SPECIAL_RESPONSE;
    take_answer(sr, lookup, refused ? static_cast<ngx_uint_t>(rc) : sr->headers_out.status);
    return NGX_OK;
}

/// The lookup carries nothing of the client's but the digest, and that in no place that is logged.
ngx_int_t set_lookup_headers(ngx_http_request_t* own, const RequestContext* ctx, ngx_str_t secret) noexcept {
    char* hex = pool_array<char>(own->pool, digest_hex_size + 1);
    ngx_str_t id = pool_copy(own->pool, view(ctx->request_id));
    if (hex == nullptr || id.data == nullptr) return NGX_ERROR;
    write_hex(ctx->digest, hex);
    hex[digest_hex_size] = '\0';

    ngx_list_t& list = own->headers_in.headers;
    if (push_header(list, header::secret, secret) != NGX_OK ||
        push_header(list, header::key, ngx_text({hex, digest_hex_size})) != NGX_OK) {
        return NGX_ERROR;
    }
    return push_header(list, header::request_id, id);
}

ngx_int_t send_lookup(ngx_http_request_t* r, const RequestContext* ctx, std::uint64_t changes) noexcept {
    const MainConf* mcf = main_conf(r);
    ngx_http_request_t* own = open_own_request(r);
    if (own == nullptr) return NGX_ERROR;
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(own->pool, sizeof(Lookup));
    if (cleanup == nullptr || set_lookup_headers(own, ctx, mcf->secret) != NGX_OK) {
        drop_own_request(own);
        return NGX_ERROR;
    }
    auto* lookup = static_cast<Lookup*>(cleanup->data);
    *lookup = {{}, key_zone(mcf), ctx->digest, changes, false, false};
    cleanup->handler = end_lookup;
    lookup->late.handler = lookup_late;
    lookup->late.data = lookup;
    lookup->late.log = own->connection->log;
    ngx_add_timer(&lookup->late, deadline);
    return send_own_request(own, location_conf(r)->lookup, lookup_done, lookup);
}

} // namespace

void start_lookup(ngx_http_request_t* r, const RequestContext* ctx, std::uint64_t changes) noexcept {
    if (send_lookup(r, ctx, changes) == NGX_OK) return;
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "key lookup failed for lack of memory");
    settle_failed(*key_zone(main_conf(r)), ctx->digest);
}

} // namespace npcchat
