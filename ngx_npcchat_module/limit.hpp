// Limits by user: the zones in shared memory, and what is asked of them.
#pragma once

#include "limit_math.hpp"
#include "ngx.hpp"
#include "plan.hpp"

#include <optional>

namespace npcchat {

struct LimitShared;
struct WorkerSlot;

/// Data of a zone of `npcchat_limit_zone`.
struct LimitZone {
    LimitShared* shared;
    ngx_slab_pool_t* pool;
    ZoneRate rate;
    WorkerSlot* slot; ///< this process's own; null: not taken yet
};

/// `npcchat_limit` in a location.
struct LimitConf {
    ngx_shm_zone_t* zone; ///< its data is a LimitZone
    LimitUse use;
    LimitRules rules; ///< for users whose plan says nothing of rates
};

/// `npcchat_concurrency` in a location.
struct ConcurrencyConf {
    ngx_flag_t on; ///< NGX_CONF_UNSET: inherited
    ngx_shm_zone_t* zone;
    std::uint32_t most; ///< for users whose plan says nothing; 0: no limit
};

/// How many `npcchat_limit` one location can have.
inline constexpr ngx_uint_t limits_max = 8;

// limit_zone.cpp
/// `shm_zone->init`, as key_zone_init.
ngx_int_t limit_zone_init(ngx_shm_zone_t* zone, void* old) noexcept;

enum class LimitStep {
    peek,    ///< nothing is counted
    account, ///< counted unless refused
    charge   ///< counted: it has been peeked at before
};

/// Looks at a user's buckets, all of them under one lock. Nothing where the zone is full of users that are
/// still being limited.
std::optional<LimitVerdict> limit_zone_check(LimitZone& zone, std::int64_t user, const LimitRules& rules,
                                             LimitStep step) noexcept;

// concurrency.cpp
struct OpenAnswer {
    enum class Result { opened, refused, no_memory } result;
    std::int64_t open; ///< requests of the user, this one included where it is among them
};

/// Counts a request as open until its pool is destroyed; one beyond `most` is refused.
OpenAnswer open_request(LimitZone& zone, std::int64_t user, std::uint32_t most, ngx_pool_t* pool) noexcept;

/// Ends what `open_request` began for a request that is refused for another reason.
void close_request(ngx_pool_t* pool) noexcept;

} // namespace npcchat
