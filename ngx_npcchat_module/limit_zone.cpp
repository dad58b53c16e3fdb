// Users' buckets in shared memory.
#include "limit_zone.hpp"

namespace npcchat {

namespace {

LimitEntry* find(LimitShared& shared, ngx_rbtree_key_t user) noexcept {
    ngx_rbtree_node_t* node = shared.tree.root;
    while (node != shared.tree.sentinel) {
        if (user == node->key) return reinterpret_cast<LimitEntry*>(node);
        node = user < node->key ? node->left : node->right;
    }
    return nullptr;
}

bool is_idle(const LimitEntry& entry) noexcept {
    constexpr std::int64_t idle_ms = 60000;
    auto elapsed = static_cast<std::int64_t>(ngx_current_msec - entry.state.last);
    if (elapsed < 0) elapsed = -elapsed;
    return elapsed >= idle_ms && elapsed >= entry.drain;
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

} // namespace

void* limit_allocate(LimitZone& zone, std::size_t size) noexcept {
    expire(zone, false);
    if (void* memory = ngx_slab_alloc_locked(zone.pool, size)) return memory;
    expire(zone, true);
    return ngx_slab_alloc_locked(zone.pool, size);
}

LimitEntry* limit_entry(LimitZone& zone, std::int64_t user) noexcept {
    LimitShared& shared = *zone.shared;
    LimitEntry* entry = find(shared, static_cast<ngx_rbtree_key_t>(user));
    if (entry != nullptr) {
        if (entry->open != 0 || ngx_queue_head(&shared.queue) == &entry->queue) return entry;
        ngx_queue_remove(&entry->queue);
    } else {
        entry = static_cast<LimitEntry*>(limit_allocate(zone, sizeof(LimitEntry)));
        if (entry == nullptr) return nullptr;
        entry->node.key = static_cast<ngx_rbtree_key_t>(user);
        entry->state = fresh_state(ngx_current_msec);
        entry->drain = 0;
        entry->open = 0;
        ngx_rbtree_insert(&shared.tree, &entry->node);
    }
    ngx_queue_insert_head(&shared.queue, &entry->queue);
    return entry;
}

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
    ngx_queue_init(&zone->shared->workers);

    zone->pool->log_nomem = 0;
    return NGX_OK;
}

std::optional<LimitVerdict> limit_zone_check(LimitZone& zone, std::int64_t user, const LimitRules& rules,
                                             LimitStep step) noexcept {
    LimitLock lock(zone);
    LimitEntry* entry = limit_entry(zone, user);
    if (entry == nullptr) return std::nullopt;

    LimitVerdict verdict = limit_peek(entry->state, rules, ngx_current_msec);
    if (step == LimitStep::charge || (step == LimitStep::account && verdict.passed)) {
        limit_charge(entry->state, rules, verdict, ngx_current_msec);
        entry->drain = limit_drain_time(entry->state, rules);
    }
    return verdict;
}

} // namespace npcchat
