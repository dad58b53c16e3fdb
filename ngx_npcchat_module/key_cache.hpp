// What the edge knows of keys, in shared memory: for how long it is believed, and who asks the sidecar anew.
#pragma once

#include "digest.hpp"
#include "identity.hpp"
#include "ngx.hpp"

namespace npcchat {

struct KeyShared;

/// Data of the zone of `npcchat_key_cache`; its times are in seconds.
struct KeyZone {
    KeyShared* shared;
    ngx_slab_pool_t* pool;
    std::uint32_t valid;   ///< a known key is believed
    std::uint32_t invalid; ///< an unknown key is refused without a lookup
    std::uint32_t stale;   ///< after `valid`, while lookups fail
};

enum class KeyState {
    pending, ///< a lookup will tell
    valid,
    stale, ///< known, and lookups fail
    denied,
    failed ///< not known, and the lookup has failed
};

/// Why the cache is asked.
enum class KeyQuery {
    first,  ///< for a request that has just come
    again,  ///< for one that waits for a lookup
    refused ///< for one whose lookup has just failed; starts no other
};

/// Longest name and plan together.
inline constexpr std::size_t identity_text_max = protocol::name_max + protocol::plan_max;

/// What the cache says of a key, with the memory that the identity's texts lie in.
struct KeyAnswer {
    KeyState state;
    /// The caller is to look the key up now, whatever the state: nobody else does. It ends that with
    /// `key_cache_put`, `key_cache_deny` or `key_cache_fail`.
    bool ask;
    bool elsewhere;        ///< pending: another worker asks
    std::uint64_t changes; ///< ask: what `key_cache_put` wants to know
    Identity identity;     ///< valid and stale
    char text[identity_text_max];
};

/// `shm_zone->init`: as nginx's own zones, what a zone of this name and size held outlives a reload.
ngx_int_t key_zone_init(ngx_shm_zone_t* zone, void* old) noexcept;

/// A known key near the end of `valid` is looked up by one of the requests that have it, while all go on.
void key_cache_get(KeyZone& zone, const Digest& digest, KeyQuery query, KeyAnswer& answer) noexcept;

/// Stores a lookup's answer for `lifetime` seconds at most (absent: no end is known). False: the key was
/// revoked after the lookup began, when there were `changes`, so the answer no longer holds.
bool key_cache_put(KeyZone& zone, const Digest& digest, const Identity& identity,
                   std::optional<std::uint32_t> lifetime, std::uint64_t changes) noexcept;

/// Stores that the key is unknown. A full zone drops other unknown keys for it, never a known one.
void key_cache_deny(KeyZone& zone, const Digest& digest) noexcept;

/// The lookup of this worker has failed: others may try again.
void key_cache_fail(KeyZone& zone, const Digest& digest) noexcept;

/// Ends a key now, also against the answers of lookups that are under way.
void key_cache_revoke(KeyZone& zone, const Digest& digest) noexcept;

/// Drops what is known of a key, so that its next request asks the sidecar.
void key_cache_forget(KeyZone& zone, const Digest& digest) noexcept;

struct KeyCounts {
    ngx_uint_t known;
    ngx_uint_t unknown;
};
KeyCounts key_cache_counts(const KeyZone& zone) noexcept;

} // namespace npcchat
