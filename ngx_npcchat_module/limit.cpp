#include "limit.hpp"

#include "module.hpp"
#include "plan.hpp"

#include <cstddef>

namespace npcchat {

namespace {

/// `node.key` is the user's id.
struct LimitEntry {
    ngx_rbtree_node_t node;
    ngx_queue_t queue;
    LimitState state;
    std::int64_t rate; ///< of the last request, to tell when the bucket is drained
};

LimitEntry* entry_of(ngx_rbtree_node_t* node) noexcept {
    return reinterpret_cast<LimitEntry*>(node);
}

} // namespace

struct LimitShared {
    ngx_rbtree_t tree;
    ngx_rbtree_node_t sentinel;
    ngx_queue_t queue; ///< least recently used last
};

namespace {

LimitEntry* find(LimitShared& shared, ngx_rbtree_key_t user) noexcept {
    ngx_rbtree_node_t* node = shared.tree.root;
    while (node != shared.tree.sentinel) {
        if (user == node->key) return entry_of(node);
        node = user < node->key ? node->left : node->right;
    }
    return nullptr;
}

bool is_idle(const LimitEntry& entry) noexcept {
    constexpr std::int64_t idle_ms = 60000;
    auto elapsed = static_cast<std::int64_t>(ngx_current_msec - entry.state.last);
    if (elapsed < 0) elapsed = -elapsed;
    if (elapsed < idle_ms) return false;
    return limit_drained(entry.rate, entry.state.excess, elapsed < elapsed_max ? elapsed : elapsed_max);
}

/// As limit_req does it: `force` drops the oldest whatever it holds; then up to two that are idle and
/// drained.
void expire(LimitZone& zone, bool force) noexcept {
    for (int dropped = force ? 0 : 1; dropped < 3; ++dropped) {
        if (ngx_queue_empty(&zone.shared->queue)) return;

        LimitEntry* entry = ngx_queue_data(ngx_queue_last(&zone.shared->queue), LimitEntry, queue);
        if (dropped > 0 && !is_idle(*entry)) return;
        ngx_queue_remove(&entry->queue);
        ngx_rbtree_delete(&zone.shared->tree, &entry->node);
        ngx_slab_free_locked(zone.pool, entry);
    }
}

LimitEntry* add(LimitZone& zone, ngx_rbtree_key_t user) noexcept {
    expire(zone, false);
    void* memory = ngx_slab_alloc_locked(zone.pool, sizeof(LimitEntry));
    if (memory == nullptr) {
        expire(zone, true);
        memory = ngx_slab_alloc_locked(zone.pool, sizeof(LimitEntry));
        if (memory == nullptr) return nullptr;
    }
    auto* entry = static_cast<LimitEntry*>(memory);
    entry->node.key = user;
    ngx_rbtree_insert(&zone.shared->tree, &entry->node);
    return entry;
}

/// The rule for a request's user; nothing: not limited.
std::optional<LimitRule> rule_for(const RequestContext& ctx, const LimitConf& conf,
                                  const LimitZone& zone) noexcept {
    if (ctx.identity.role == Role::admin) return std::nullopt;

    Plan plan = parse_plan(ctx.identity.plan);
    if (!plan.rpm) {
        if (zone.rate == 0) return std::nullopt;
        return LimitRule{zone.rate, conf.burst};
    }
    if (*plan.rpm == 0) return std::nullopt;
    return LimitRule{limit_rate(*plan.rpm, 60), std::int64_t{plan.burst.value_or(*plan.rpm - 1)} * 1000};
}

ngx_int_t reject(ngx_http_request_t* r, const LimitConf& conf, LimitRule rule, std::int64_t excess) noexcept {
    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "limiting requests of a user, excess: %L.%03L by zone \"%V\"", excess / 1000, excess % 1000,
                  &conf.zone->shm.name);

    u_char* value = pool_array<u_char>(r->pool, NGX_INT64_LEN);
    auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (header == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    *header = {};
    if (value == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;

    header->hash = 1;
    ngx_str_set(&header->key, "Retry-After");
    header->value.data = value;
    header->value.len =
        static_cast<std::size_t>(ngx_sprintf(value, "%L", limit_retry_after(rule, excess)) - value);
    return NGX_HTTP_TOO_MANY_REQUESTS;
}

} // namespace

ngx_int_t limit_zone_init(ngx_shm_zone_t* shm_zone, void* old) noexcept {
    auto* zone = static_cast<LimitZone*>(shm_zone->data);

    if (old != nullptr) {
        zone->shared = static_cast<LimitZone*>(old)->shared;
        zone->pool = static_cast<LimitZone*>(old)->pool;
        return NGX_OK;
    }

    zone->pool = reinterpret_cast<ngx_slab_pool_t*>(shm_zone->shm.addr);
    if (shm_zone->shm.exists) {
        zone->shared = static_cast<LimitShared*>(zone->pool->data);
        return NGX_OK;
    }

    zone->shared = static_cast<LimitShared*>(ngx_slab_calloc(zone->pool, sizeof(LimitShared)));
    if (zone->shared == nullptr) return NGX_ERROR;
    zone->pool->data = zone->shared;
    ngx_rbtree_init(&zone->shared->tree, &zone->shared->sentinel, ngx_rbtree_insert_value);
    ngx_queue_init(&zone->shared->queue);

    zone->pool->log_nomem = 0;
    return NGX_OK;
}

std::optional<LimitVerdict> limit_zone_account(LimitZone& zone, std::int64_t user, LimitRule rule) noexcept {
    ngx_shmtx_lock(&zone.pool->mutex);

    LimitVerdict verdict{true, 0};
    LimitEntry* entry = find(*zone.shared, static_cast<ngx_rbtree_key_t>(user));
    if (entry != nullptr) {
        ngx_queue_remove(&entry->queue);
        verdict = limit_account(entry->state, rule, ngx_current_msec);
    } else {
        entry = add(zone, static_cast<ngx_rbtree_key_t>(user));
        if (entry != nullptr) entry->state = {ngx_current_msec, 0};
    }
    if (entry != nullptr) {
        entry->rate = rule.rate;
        ngx_queue_insert_head(&zone.shared->queue, &entry->queue);
    }

    ngx_shmtx_unlock(&zone.pool->mutex);
    if (entry == nullptr) return std::nullopt;
    return verdict;
}

ngx_int_t limit_request(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    const LimitConf& conf = location_conf(r)->limit;
    // Once per request, however often it is redirected.
    if (!conf.on || !ctx->known() || ctx->limit != Limit::unseen) return NGX_DECLINED;

    auto& zone = *static_cast<LimitZone*>(conf.zone->data);
    auto rule = rule_for(*ctx, conf, zone);
    if (!rule) {
        ctx->limit = Limit::exempt;
        return NGX_DECLINED;
    }

    auto verdict = limit_zone_account(zone, ctx->identity.id, *rule);
    if (!verdict) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0, "no memory in limit zone \"%V\": make it larger",
                      &conf.zone->shm.name);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }
    if (verdict->passed) {
        ctx->limit = Limit::passed;
        return NGX_DECLINED;
    }
    ctx->limit = Limit::rejected;
    return reject(r, conf, *rule, verdict->excess);
}

} // namespace npcchat
