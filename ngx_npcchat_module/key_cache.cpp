#include "key_cache.hpp"

#include <openssl/crypto.h>

#include <algorithm>

namespace npcchat {

namespace {

enum class Kind : u_char { valid, denied, revoked };

/// All that the zone allocates per key has this size, so that whatever one key gives up is of use to another:
/// a zone of 128 MB holds a million keys.
constexpr std::size_t cell_size = 128;

/// More of an identity's text, where an entry has no room for it.
struct TextCell {
    TextCell* next;
    char text[cell_size - sizeof(TextCell*)];
};

/// Times are whole seconds of nginx's monotonic clock. `node.key` has the digest's first bytes, `node.data`
/// the Kind.
struct KeyEntry {
    ngx_rbtree_node_t node;
    ngx_queue_t queue;
    u_char digest_rest[sizeof(Digest) - sizeof(ngx_rbtree_key_t)];
    union {
        std::int64_t id;          ///< valid
        std::uint64_t revocation; ///< revoked: its number
    };
    std::uint32_t fresh_until;
    std::uint32_t dies_at;  ///< the key itself; 0: no end is known
    std::uint32_t retry_at; ///< after a failed lookup: when the next one is due
    std::uint16_t name_size;
    std::uint16_t plan_size : 15;
    std::uint16_t admin : 1;
    union {
        char text[24]; ///< name and plan
        TextCell* more;
    };

    Kind kind() const noexcept { return static_cast<Kind>(node.data); }
    std::size_t text_size() const noexcept { return std::size_t{name_size} + plan_size; }
    bool has_cells() const noexcept { return kind() == Kind::valid && text_size() > sizeof(text); }
};

static_assert(sizeof(KeyEntry) == cell_size && sizeof(TextCell) == cell_size);

} // namespace

struct KeyShared {
    ngx_rbtree_t tree;
    ngx_rbtree_node_t sentinel;
    /// Least recently used last. Denied and revoked keys have a queue of their own: only there room is made
    /// for them.
    ngx_queue_t valid;
    ngx_queue_t denied;
    std::uint64_t revocations;
    /// Revocations up to this one may have been dropped: what was looked up before them is not stored.
    std::uint64_t forgotten;
    Counters counters;
};

namespace {

/// How long a revocation outlives lookups that were under way, at least.
constexpr std::uint32_t revoked_seconds = 60;
constexpr std::uint32_t retry_seconds = 1;

class ZoneLock {
  public:
    explicit ZoneLock(ngx_slab_pool_t* pool) noexcept : pool_(pool) { ngx_shmtx_lock(&pool_->mutex); }
    ~ZoneLock() { ngx_shmtx_unlock(&pool_->mutex); }
    ZoneLock(const ZoneLock&) = delete;
    ZoneLock& operator=(const ZoneLock&) = delete;

  private:
    ngx_slab_pool_t* pool_;
};

std::uint32_t now_seconds() noexcept {
    return static_cast<std::uint32_t>(ngx_current_msec / 1000);
}

ngx_rbtree_key_t tree_key(const Digest& digest) noexcept {
    ngx_rbtree_key_t key;
    std::memcpy(&key, digest.data(), sizeof(key));
    return key;
}

KeyEntry* entry_of(ngx_rbtree_node_t* node) noexcept {
    return reinterpret_cast<KeyEntry*>(node);
}

/// The order of digests that share their first bytes.
int compare_rest(const KeyEntry& entry, const u_char* rest) noexcept {
    return std::memcmp(rest, entry.digest_rest, sizeof(entry.digest_rest));
}

extern "C" void insert_entry(ngx_rbtree_node_t* parent, ngx_rbtree_node_t* node,
                             ngx_rbtree_node_t* sentinel) {
    ngx_rbtree_node_t** link;
    for (;; parent = *link) {
        bool left = node->key != parent->key
                        ? node->key < parent->key
                        : compare_rest(*entry_of(parent), entry_of(node)->digest_rest) < 0;
        link = left ? &parent->left : &parent->right;
        if (*link == sentinel) break;
    }
    *link = node;
    node->parent = parent;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}

/// What tells one digest from another is compared in constant time, once the first bytes agree.
KeyEntry* find(KeyShared& shared, const Digest& digest) noexcept {
    ngx_rbtree_key_t key = tree_key(digest);
    const u_char* rest = digest.data() + sizeof(key);
    ngx_rbtree_node_t* node = shared.tree.root;

    while (node != shared.tree.sentinel) {
        bool left = key < node->key;
        if (key == node->key) {
            KeyEntry* entry = entry_of(node);
            if (CRYPTO_memcmp(entry->digest_rest, rest, sizeof(entry->digest_rest)) == 0) return entry;
            left = compare_rest(*entry, rest) < 0;
        }
        node = left ? node->left : node->right;
    }
    return nullptr;
}

void free_cells(KeyZone& zone, KeyEntry& entry) noexcept {
    if (!entry.has_cells()) return;
    for (TextCell* cell = entry.more; cell != nullptr;) {
        TextCell* next = cell->next;
        ngx_slab_free_locked(zone.pool, cell);
        cell = next;
    }
    entry.name_size = 0;
    entry.plan_size = 0;
}

void drop(KeyZone& zone, KeyEntry& entry) noexcept {
    KeyShared& shared = *zone.shared;
    if (entry.kind() == Kind::revoked) shared.forgotten = std::max(shared.forgotten, entry.revocation);
    free_cells(zone, entry);
    ngx_queue_remove(&entry.queue);
    ngx_rbtree_delete(&shared.tree, &entry.node);
    ngx_slab_free_locked(zone.pool, &entry);
}

KeyEntry* oldest(ngx_queue_t& queue, const KeyEntry* keep) noexcept {
    if (ngx_queue_empty(&queue)) return nullptr;
    KeyEntry* entry = ngx_queue_data(ngx_queue_last(&queue), KeyEntry, queue);
    return entry == keep ? nullptr : entry;
}

/// A cell; where the zone is full, that of a denied key, or else, for a valid one, that of the valid key that
/// was not used for the longest time. `keep` is spared.
void* allocate(KeyZone& zone, Kind kind, const KeyEntry* keep) noexcept {
    for (;;) {
        if (void* cell = ngx_slab_alloc_locked(zone.pool, cell_size)) return cell;

        KeyEntry* victim = oldest(zone.shared->denied, keep);
        if (victim == nullptr && kind == Kind::valid) victim = oldest(zone.shared->valid, keep);
        if (victim == nullptr) return nullptr;
        drop(zone, *victim);
    }
}

/// The entry of a digest, new where there is none, at the head of the queue of its kind and without text.
KeyEntry* claim(KeyZone& zone, const Digest& digest, Kind kind) noexcept {
    KeyShared& shared = *zone.shared;
    KeyEntry* entry = find(shared, digest);

    if (entry != nullptr) {
        free_cells(zone, *entry);
        ngx_queue_remove(&entry->queue);
    } else {
        entry = static_cast<KeyEntry*>(allocate(zone, kind, nullptr));
        if (entry == nullptr) return nullptr;
        entry->node.key = tree_key(digest);
        std::memcpy(entry->digest_rest, digest.data() + sizeof(ngx_rbtree_key_t), sizeof(entry->digest_rest));
        ngx_rbtree_insert(&shared.tree, &entry->node);
    }

    entry->node.data = static_cast<u_char>(kind);
    entry->dies_at = 0;
    entry->retry_at = 0;
    entry->name_size = 0;
    entry->plan_size = 0;
    ngx_queue_insert_head(kind == Kind::valid ? &shared.valid : &shared.denied, &entry->queue);
    return entry;
}

/// False where there is no memory; the entry is without text then.
bool store_text(KeyZone& zone, KeyEntry& entry, std::string_view name, std::string_view plan) noexcept {
    char text[identity_text_max];
    std::size_t size = name.size() + plan.size();
    std::copy(plan.begin(), plan.end(), std::copy(name.begin(), name.end(), text));

    if (size <= sizeof(entry.text)) {
        std::memcpy(entry.text, text, size);
    } else {
        TextCell* first = nullptr;
        TextCell** link = &first;
        for (std::size_t at = 0; at < size; at += sizeof(TextCell::text)) {
            auto* cell = static_cast<TextCell*>(allocate(zone, Kind::valid, &entry));
            *link = cell;
            if (cell == nullptr) {
                while (first != nullptr) {
                    TextCell* next = first->next;
                    ngx_slab_free_locked(zone.pool, first);
                    first = next;
                }
                return false;
            }
            cell->next = nullptr;
            link = &cell->next;
            std::memcpy(cell->text, text + at, std::min(sizeof(TextCell::text), size - at));
        }
        entry.more = first;
    }
    entry.name_size = static_cast<std::uint16_t>(name.size());
    entry.plan_size = static_cast<std::uint16_t>(plan.size() & 0x7FFF);
    return true;
}

void load(const KeyEntry& entry, CachedIdentity& out) noexcept {
    std::size_t size = entry.text_size();
    if (!entry.has_cells()) {
        std::memcpy(out.text, entry.text, size);
    } else {
        std::size_t at = 0;
        for (const TextCell* cell = entry.more; cell != nullptr && at < size; cell = cell->next) {
            std::size_t part = std::min(sizeof(cell->text), size - at);
            std::memcpy(out.text + at, cell->text, part);
            at += part;
        }
    }
    out.identity = {entry.id,
                    entry.admin ? Role::admin : Role::user,
                    {out.text, entry.name_size},
                    {out.text + entry.name_size, entry.plan_size}};
}

CacheAnswer judge(const KeyZone& zone, KeyEntry& entry, bool failed) noexcept {
    std::uint32_t now = now_seconds();
    if (entry.kind() != Kind::valid) return now < entry.fresh_until ? CacheAnswer::denied : CacheAnswer::miss;

    if (entry.dies_at != 0 && now >= entry.dies_at) return CacheAnswer::miss;
    if (now < entry.fresh_until) return CacheAnswer::valid;
    if (now - entry.fresh_until >= zone.stale) return CacheAnswer::miss;
    if (failed) entry.retry_at = now + retry_seconds;
    return now < entry.retry_at ? CacheAnswer::stale : CacheAnswer::miss;
}

} // namespace

ngx_int_t key_zone_init(ngx_shm_zone_t* shm_zone, void* old) noexcept {
    auto* zone = static_cast<KeyZone*>(shm_zone->data);

    if (old != nullptr) {
        zone->shared = static_cast<KeyZone*>(old)->shared;
        zone->pool = static_cast<KeyZone*>(old)->pool;
        return NGX_OK;
    }

    zone->pool = reinterpret_cast<ngx_slab_pool_t*>(shm_zone->shm.addr);
    if (shm_zone->shm.exists) {
        zone->shared = static_cast<KeyShared*>(zone->pool->data);
        return NGX_OK;
    }

    auto* shared = static_cast<KeyShared*>(ngx_slab_calloc(zone->pool, sizeof(KeyShared)));
    if (shared == nullptr) return NGX_ERROR;
    zone->pool->data = shared;
    zone->shared = shared;
    ngx_rbtree_init(&shared->tree, &shared->sentinel, insert_entry);
    ngx_queue_init(&shared->valid);
    ngx_queue_init(&shared->denied);

    // A full zone is a cache's normal state, not an event for the log.
    zone->pool->log_nomem = 0;
    return NGX_OK;
}

CacheAnswer key_cache_get(KeyZone& zone, const Digest& digest, bool failed, CachedIdentity& out) noexcept {
    ZoneLock lock(zone.pool);
    KeyEntry* entry = find(*zone.shared, digest);
    if (entry == nullptr) return CacheAnswer::miss;

    CacheAnswer answer = judge(zone, *entry, failed);
    if (answer == CacheAnswer::miss) return answer;

    ngx_queue_t* queue = answer == CacheAnswer::denied ? &zone.shared->denied : &zone.shared->valid;
    if (ngx_queue_head(queue) != &entry->queue) {
        ngx_queue_remove(&entry->queue);
        ngx_queue_insert_head(queue, &entry->queue);
    }
    if (answer != CacheAnswer::denied) load(*entry, out);
    return answer;
}

std::uint64_t key_cache_revocations(KeyZone& zone) noexcept {
    ZoneLock lock(zone.pool);
    return zone.shared->revocations;
}

bool key_cache_put(KeyZone& zone, const Digest& digest, const Identity& identity,
                   std::optional<std::uint32_t> lifetime, std::uint64_t started) noexcept {
    ZoneLock lock(zone.pool);
    KeyEntry* entry = find(*zone.shared, digest);
    if (entry != nullptr && entry->kind() == Kind::revoked && entry->revocation > started) return false;
    if (zone.shared->forgotten > started) return true;

    entry = claim(zone, digest, Kind::valid);
    if (entry == nullptr) return true;
    if (!store_text(zone, *entry, identity.name, identity.plan)) {
        drop(zone, *entry);
        return true;
    }
    std::uint32_t now = now_seconds();
    entry->id = identity.id;
    entry->admin = identity.role == Role::admin;
    entry->fresh_until = now + (lifetime ? std::min(zone.valid, *lifetime) : zone.valid);
    entry->dies_at = lifetime ? now + *lifetime : 0;
    return true;
}

void key_cache_deny(KeyZone& zone, const Digest& digest) noexcept {
    ZoneLock lock(zone.pool);
    KeyEntry* entry = find(*zone.shared, digest);
    // A revocation stays one: lookups that began before it may still be under way.
    if (entry != nullptr && entry->kind() == Kind::revoked && now_seconds() < entry->fresh_until) return;

    entry = claim(zone, digest, Kind::denied);
    if (entry != nullptr) entry->fresh_until = now_seconds() + zone.invalid;
}

void key_cache_revoke(KeyZone& zone, const Digest& digest) noexcept {
    ZoneLock lock(zone.pool);
    std::uint64_t number = ++zone.shared->revocations;

    KeyEntry* entry = claim(zone, digest, Kind::revoked);
    if (entry == nullptr) {
        zone.shared->forgotten = number;
        return;
    }
    entry->revocation = number;
    entry->fresh_until = now_seconds() + std::max(zone.invalid, revoked_seconds);
}

void key_cache_forget(KeyZone& zone, const Digest& digest) noexcept {
    ZoneLock lock(zone.pool);
    KeyEntry* entry = find(*zone.shared, digest);
    if (entry != nullptr && entry->kind() == Kind::valid) drop(zone, *entry);
}

Counters& key_zone_counters(KeyZone& zone) noexcept {
    return zone.shared->counters;
}

} // namespace npcchat
