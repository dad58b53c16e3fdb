// Limits by user in shared memory.
#pragma once

#include "limit_math.hpp"
#include "ngx.hpp"

#include <optional>

namespace npcchat {

struct LimitShared;

/// Data of a zone of `npcchat_limit_zone`.
struct LimitZone {
    LimitShared* shared;
    ngx_slab_pool_t* pool;
    std::int64_t rate; ///< for users whose plan has none, in 1/1000 requests a second; 0: no limit
};

/// `npcchat_limit` in a location.
struct LimitConf {
    ngx_flag_t on; ///< NGX_CONF_UNSET: inherited
    ngx_shm_zone_t* zone;
    std::int64_t burst; ///< for users whose plan has no rate, in 1/1000 requests
};

/// `shm_zone->init`, as key_zone_init.
ngx_int_t limit_zone_init(ngx_shm_zone_t* zone, void* old) noexcept;

/// Accounts a request of a user. Nothing where the zone is full of users that are still being limited.
std::optional<LimitVerdict> limit_zone_account(LimitZone& zone, std::int64_t user, LimitRule rule) noexcept;

} // namespace npcchat
