#include "key_cache.hpp"

#include "key_table.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace npcchat {

namespace {

/// How long a revocation outlives lookups that were under way, at least.
constexpr std::uint32_t revoked_seconds = 60;
/// After a failed lookup of a known key: how long until the next one, and how long the failure counts as a
/// sign that the sidecar is away. The next one has to fail within that, which takes three seconds at most.
constexpr std::uint32_t retry_seconds = 1;
constexpr std::uint32_t away_seconds = 6;
/// A lookup that takes longer is taken over by another request.
constexpr std::uint32_t lookup_seconds = 5;

class ZoneLock {
  public:
    explicit ZoneLock(const KeyZone& zone) noexcept : pool_(zone.pool) { ngx_shmtx_lock(&pool_->mutex); }
    ~ZoneLock() { ngx_shmtx_unlock(&pool_->mutex); }
    ZoneLock(const ZoneLock&) = delete;
    ZoneLock& operator=(const ZoneLock&) = delete;

  private:
    ngx_slab_pool_t* pool_;
};

std::uint32_t now_seconds() noexcept {
    // Never 0, which stands for "never".
    return static_cast<std::uint32_t>(ngx_current_msec / 1000) + 1;
}

/// Whether a worker that was asking is gone. What it was killed over is not waited for.
bool is_gone(std::uint32_t pid) noexcept {
    return pid != static_cast<std::uint32_t>(ngx_pid) && kill(static_cast<pid_t>(pid), 0) == -1 &&
           errno == ESRCH;
}

bool is_asked(const KeyEntry& entry, std::uint32_t now) noexcept {
    return entry.asked_until > now;
}

bool has_failed_since(const KeyEntry& entry, std::uint32_t now, std::uint32_t seconds) noexcept {
    return entry.failed_at != 0 && now - entry.failed_at < seconds;
}

void begin_asking(KeyEntry* entry, std::uint32_t now, KeyAnswer& answer) noexcept {
    answer.ask = true;
    if (entry == nullptr) return;
    entry->asked_until = now + lookup_seconds;
    entry->asked_by = static_cast<std::uint32_t>(ngx_pid);
}

/// Nothing is known that holds: the lookup that is under way will tell, or one of the caller's. `entry` may
/// be null, where there was no room for one.
void ask_or_wait(KeyEntry* entry, KeyQuery query, std::uint32_t now, KeyAnswer& answer) noexcept {
    answer.state = KeyState::pending;
    if (query == KeyQuery::refused) {
        answer.state = KeyState::failed;
        return;
    }
    if (entry != nullptr && is_asked(*entry, now)) {
        bool waited = query == KeyQuery::again;
        if (!waited || !is_gone(entry->asked_by)) {
            answer.elsewhere = entry->asked_by != static_cast<std::uint32_t>(ngx_pid);
            return;
        }
    } else if (entry != nullptr && query == KeyQuery::again &&
               has_failed_since(*entry, now, retry_seconds + 1)) {
        answer.state = KeyState::failed;
        return;
    }
    begin_asking(entry, now, answer);
}

/// The last quarter of `valid`, at least a second of it; nothing where there are no quarters.
bool is_due(const KeyZone& zone, const KeyEntry& entry, std::uint32_t now) noexcept {
    if (entry.dies_at != 0 && entry.dies_at <= entry.fresh_until) return false;
    return entry.fresh_until - now <= (zone.valid + 2) / 4;
}

void judge_valid(const KeyZone& zone, KeyEntry& entry, KeyQuery query, std::uint32_t now,
                 KeyAnswer& answer) noexcept {
    bool dead = entry.dies_at != 0 && now >= entry.dies_at;
    bool fresh = !dead && now < entry.fresh_until;
    bool usable = !dead && (fresh || now - entry.fresh_until < zone.stale);
    if (!fresh && !(usable && has_failed_since(entry, now, away_seconds))) {
        ask_or_wait(&entry, query, now, answer);
        return;
    }
    answer.state = fresh ? KeyState::valid : KeyState::stale;
    bool due = !fresh || is_due(zone, entry, now);
    if (due && query != KeyQuery::refused && !is_asked(entry, now) &&
        !has_failed_since(entry, now, retry_seconds)) {
        begin_asking(&entry, now, answer);
    }
}

/// What is past its time goes a little at a time, so that a zone shows what it really holds.
void expire(KeyTable& table, const KeyZone& zone, bool valid, std::uint32_t now) noexcept {
    for (int dropped = 0; dropped < 2; ++dropped) {
        KeyEntry* entry = table.oldest(valid);
        if (entry == nullptr || is_asked(*entry, now)) return;
        std::uint32_t end = entry->is_valid() ? entry->fresh_until + zone.stale : entry->fresh_until;
        if (now < end) return;
        table.drop(*entry);
    }
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
    if (!shm_zone->shm.exists) zone->pool->data = KeyTable::create(zone->pool);
    zone->shared = static_cast<KeyShared*>(zone->pool->data);
    if (zone->shared != nullptr) return NGX_OK;

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "key cache zone \"%V\" cannot be set up: make it larger", &shm_zone->shm.name);
    return NGX_ERROR;
}

void key_cache_get(KeyZone& zone, const Digest& digest, KeyQuery query, KeyAnswer& answer) noexcept {
    std::uint32_t now = now_seconds();
    answer.ask = false;
    answer.elsewhere = false;

    ZoneLock lock(zone);
    KeyTable table(zone.pool, zone.shared);
    answer.changes = zone.shared->changes;
    KeyEntry* entry = table.find(digest);
    if (entry == nullptr && query != KeyQuery::refused) {
        expire(table, zone, false, now);
        entry = table.claim(digest, Kind::asked);
    }
    if (entry == nullptr) {
        ask_or_wait(nullptr, query, now, answer);
        return;
    }
    table.touch(*entry);
    if (entry->is_valid()) {
        judge_valid(zone, *entry, query, now, answer);
        if (answer.state == KeyState::valid || answer.state == KeyState::stale)
            table.load(*entry, answer.text, answer.identity);
    } else if (entry->kind != Kind::asked && now < entry->fresh_until) {
        answer.state = KeyState::denied;
    } else {
        ask_or_wait(entry, query, now, answer);
    }
}

bool key_cache_put(KeyZone& zone, const Digest& digest, const Identity& identity,
                   std::optional<std::uint32_t> lifetime, std::uint64_t changes) noexcept {
    std::uint32_t now = now_seconds();
    ZoneLock lock(zone);
    KeyTable table(zone.pool, zone.shared);
    const KeyEntry* known = table.find(digest);
    if (known != nullptr && !known->is_valid() && known->change > changes)
        return known->kind != Kind::revoked;
    if (zone.shared->forgotten > changes) return true;

    expire(table, zone, true, now);
    KeyEntry* entry = table.claim(digest, Kind::valid);
    if (entry == nullptr) return true;
    if (!table.set_text(*entry, identity.name, identity.plan)) {
        table.drop(*entry);
        return true;
    }
    entry->id = identity.id;
    entry->admin = identity.role == Role::admin;
    entry->fresh_until = now + (lifetime ? std::min(zone.valid, *lifetime) : zone.valid);
    entry->dies_at = lifetime ? now + *lifetime : 0;
    return true;
}

void key_cache_deny(KeyZone& zone, const Digest& digest) noexcept {
    std::uint32_t now = now_seconds();
    ZoneLock lock(zone);
    KeyTable table(zone.pool, zone.shared);
    const KeyEntry* known = table.find(digest);
    // A revocation stays one: lookups that began before it may still be under way.
    if (known != nullptr && known->kind == Kind::revoked && now < known->fresh_until) return;

    KeyEntry* entry = table.claim(digest, Kind::denied);
    if (entry != nullptr) entry->fresh_until = now + zone.invalid;
}

void key_cache_fail(KeyZone& zone, const Digest& digest) noexcept {
    ZoneLock lock(zone);
    KeyEntry* entry = KeyTable(zone.pool, zone.shared).find(digest);
    if (entry == nullptr) return;
    entry->failed_at = now_seconds();
    if (entry->asked_by == static_cast<std::uint32_t>(ngx_pid)) entry->asked_until = 0;
}

void key_cache_revoke(KeyZone& zone, const Digest& digest) noexcept {
    ZoneLock lock(zone);
    std::uint64_t number = ++zone.shared->changes;
    KeyEntry* entry = KeyTable(zone.pool, zone.shared).claim(digest, Kind::revoked);
    if (entry == nullptr) {
        zone.shared->forgotten = number;
        return;
    }
    entry->change = number;
    entry->fresh_until = now_seconds() + std::max(zone.invalid, revoked_seconds);
}

void key_cache_forget(KeyZone& zone, const Digest& digest) noexcept {
    std::uint32_t now = now_seconds();
    ZoneLock lock(zone);
    KeyTable table(zone.pool, zone.shared);
    const KeyEntry* known = table.find(digest);
    if (known == nullptr || known->kind == Kind::revoked) return;

    std::uint64_t number = ++zone.shared->changes;
    KeyEntry* entry = table.claim(digest, Kind::asked);
    entry->change = number;
    entry->fresh_until = now + revoked_seconds;
}

KeyCounts key_cache_counts(const KeyZone& zone) noexcept {
    return {zone.shared->valid_count, zone.shared->other_count};
}

} // namespace npcchat
