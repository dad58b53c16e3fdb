// What all workers count, in a zone of its own.
#pragma once

#include "histogram.hpp"
#include "ngx.hpp"
#include "statuses.hpp"

namespace npcchat {

/// Different routes that are told apart; all further ones are "other", the first one.
inline constexpr std::size_t routes_max = 64;
/// Bytes of a route's name; what is longer is cut.
inline constexpr std::size_t route_name_max = 63;

struct RouteName {
    std::uint64_t size;
    char text[route_name_max + 1];
};

struct RouteCounts {
    std::uint64_t requests[3][status_labels.size()]; ///< by role: none, user, admin
    Histogram first_byte;
    Histogram whole;
};

enum class LookupResult : unsigned char { found, unknown, failed };

/// Workers that share a number share a part; others do not wait for each other's memory.
struct MetricsPart {
    RouteCounts routes[routes_max];
    std::uint64_t auth[8];   ///< by Auth
    std::uint64_t limit[16]; ///< by Limit
    std::uint64_t lookups[3];
};

inline constexpr std::size_t metrics_parts = 8;

struct MetricsShared {
    std::uint64_t since; ///< seconds since 1970
    std::uint64_t route_count;
    RouteName routes[routes_max];
    MetricsPart parts[metrics_parts];
};

/// Data of the metrics' zone.
struct MetricsZone {
    MetricsShared* shared;
    ngx_array_t names;   ///< of ngx_str_t: the configuration's routes
    ngx_uint_t* indices; ///< where they are in shared memory
};

/// Makes a configuration's part, to which routes are added while it is read; null where there is no memory.
MetricsZone* create_metrics(ngx_conf_t* cf) noexcept;

/// The number of a route's name in the configuration; NGX_ERROR where there is no memory.
ngx_int_t add_route(MetricsZone& zone, std::string_view name) noexcept;

/// Declares the zone. NGX_OK or NGX_ERROR.
ngx_int_t add_metrics_zone(ngx_conf_t* cf, MetricsZone& zone) noexcept;

/// This worker's part.
MetricsPart& metrics_part(MetricsZone& zone) noexcept;

/// The sum of a counter over all workers; `get(part)` names it.
template <typename Get> std::uint64_t sum_parts(const MetricsShared& shared, Get get) noexcept {
    std::uint64_t sum = 0;
    for (const MetricsPart& part : shared.parts)
        sum += load(get(part));
    return sum;
}

/// Bytes that `write_totals` needs at most.
inline constexpr std::size_t totals_text_max = sizeof("total=;2xx=;3xx=;4xx=;5xx=") + 5 * NGX_INT64_LEN;

/// The value of X-Npcchat-Edge: `total=N;2xx=N;3xx=N;4xx=N;5xx=N`, without a NUL. Returns its end.
u_char* write_totals(const MetricsShared& shared, u_char* out) noexcept;

} // namespace npcchat
