// Requests by status, counted over all workers in the key cache's zone.
#pragma once

#include "ngx.hpp"

namespace npcchat {

struct Counters {
    ngx_atomic_t total;
    /// 1xx to 5xx; a request that ended without a status is in `total` only.
    ngx_atomic_t by_class[5];
};

/// Bytes that `write_counters` needs at most.
inline constexpr std::size_t counters_text_max = sizeof("total=;2xx=;3xx=;4xx=;5xx=") + 5 * NGX_ATOMIC_T_LEN;

void count_status(Counters& counters, ngx_uint_t status) noexcept;

/// `total=N;2xx=N;3xx=N;4xx=N;5xx=N`, without a NUL. Returns its end.
u_char* write_counters(const Counters& counters, u_char* out) noexcept;

} // namespace npcchat
