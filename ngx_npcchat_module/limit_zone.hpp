// What a limit zone has in shared memory. All of it is touched under the lock of the zone's pool only.
#pragma once

#include "limit.hpp"

namespace npcchat {

/// `node.key` is the user's id.
struct LimitEntry {
    ngx_rbtree_node_t node;
    ngx_queue_t queue; ///< not in it while requests are open
    LimitState state;
    std::int64_t drain; ///< milliseconds after `state.last` until nothing is worth keeping
    std::uint32_t open;
};

// One slab of nginx's; and ids are not cut to a tree's keys.
static_assert(sizeof(LimitEntry) <= 128 && sizeof(ngx_rbtree_key_t) == sizeof(std::int64_t));

struct LimitShared {
    ngx_rbtree_t tree;
    ngx_rbtree_node_t sentinel;
    ngx_queue_t queue; ///< least recently used last
    ngx_queue_t workers;
    std::uint64_t swept; ///< milliseconds: when the slots of dead workers were last looked for
};

class LimitLock {
  public:
    explicit LimitLock(const LimitZone& zone) noexcept : pool_(zone.pool) { ngx_shmtx_lock(&pool_->mutex); }
    ~LimitLock() { ngx_shmtx_unlock(&pool_->mutex); }
    LimitLock(const LimitLock&) = delete;
    LimitLock& operator=(const LimitLock&) = delete;

  private:
    ngx_slab_pool_t* pool_;
};

/// A user's entry, the most recently used one now, new where there was none; null where there is no memory.
LimitEntry* limit_entry(LimitZone& zone, std::int64_t user) noexcept;

/// Memory of the zone, for which entries that are idle are given up, and if need be the one least recently
/// used.
void* limit_allocate(LimitZone& zone, std::size_t size) noexcept;

} // namespace npcchat
