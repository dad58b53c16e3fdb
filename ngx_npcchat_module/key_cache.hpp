// Known and unknown keys in shared memory, by digest.
#pragma once

#include "counters.hpp"
#include "digest.hpp"
#include "identity.hpp"
#include "ngx.hpp"

namespace npcchat {

struct KeyShared;

/// Data of the zone of `npcchat_key_cache`; its times are in seconds.
struct KeyZone {
    KeyShared* shared;
    ngx_slab_pool_t* pool;
    std::uint32_t valid;   ///< a known key needs no lookup
    std::uint32_t invalid; ///< an unknown key is refused without one
    std::uint32_t stale;   ///< after `valid`, while lookups fail
};

enum class CacheAnswer {
    miss, ///< ask the sidecar
    valid,
    stale, ///< known, and lookups have just failed
    denied
};

/// Longest name and plan together.
inline constexpr std::size_t identity_text_max = protocol::name_max + protocol::plan_max;

/// An identity copied out of the cache, with the memory its texts lie in.
struct CachedIdentity {
    Identity identity;
    char text[identity_text_max];
};

/// `shm_zone->init`: as nginx's own zones, what a zone of this name and size held outlives a reload.
ngx_int_t key_zone_init(ngx_shm_zone_t* zone, void* old) noexcept;

/// `failed`: a lookup has just failed, so an entry past `valid` will do, and does without further lookups for
/// a second. `out` is filled for `valid` and `stale`.
CacheAnswer key_cache_get(KeyZone& zone, const Digest& digest, bool failed, CachedIdentity& out) noexcept;

/// The number of revocations so far: what a lookup must remember from its start.
std::uint64_t key_cache_revocations(KeyZone& zone) noexcept;

/// Stores a lookup's answer for `lifetime` seconds at most (absent: no end is known). False: the key was
/// revoked after `started`, so the answer no longer holds. A full zone drops unknown keys first, then the
/// least recently used.
bool key_cache_put(KeyZone& zone, const Digest& digest, const Identity& identity,
                   std::optional<std::uint32_t> lifetime, std::uint64_t started) noexcept;

/// Stores that the key is unknown. A full zone drops other unknown keys for it, never a known one.
void key_cache_deny(KeyZone& zone, const Digest& digest) noexcept;

/// Ends a key now, also against the answers of lookups that are under way.
void key_cache_revoke(KeyZone& zone, const Digest& digest) noexcept;

/// Drops what is known of a key, so that its next request asks the sidecar.
void key_cache_forget(KeyZone& zone, const Digest& digest) noexcept;

/// The counters of all workers.
Counters& key_zone_counters(KeyZone& zone) noexcept;

} // namespace npcchat
