#include "metrics.hpp"

#include "module.hpp"

#include <algorithm>

namespace npcchat {

namespace {

/// Tells the zone from others of its name.
int metrics_zone_tag;

/// Where a route is in shared memory, from now on and for all configurations to come.
ngx_uint_t place_route(MetricsShared& shared, std::string_view name) noexcept {
    std::uint64_t count = load(shared.route_count);
    for (std::size_t i = 0; i < count; ++i) {
        if (name == std::string_view(shared.routes[i].text, shared.routes[i].size)) return i;
    }
    if (count == routes_max) return 0;
    std::copy(name.begin(), name.end(), shared.routes[count].text);
    shared.routes[count].size = name.size();
    // Workers of the configuration before may be reading.
    __atomic_store_n(&shared.route_count, count + 1, __ATOMIC_RELEASE);
    return count;
}

ngx_int_t init_zone(ngx_shm_zone_t* shm_zone, void* old) noexcept {
    auto* zone = static_cast<MetricsZone*>(shm_zone->data);
    auto* pool = reinterpret_cast<ngx_slab_pool_t*>(shm_zone->shm.addr);

    if (old != nullptr || shm_zone->shm.exists) {
        zone->shared = static_cast<MetricsShared*>(pool->data);
    } else {
        zone->shared = static_cast<MetricsShared*>(ngx_slab_calloc(pool, sizeof(MetricsShared)));
        if (zone->shared == nullptr) return NGX_ERROR;
        pool->data = zone->shared;
        zone->shared->since = static_cast<std::uint64_t>(ngx_time());
        place_route(*zone->shared, "other");
    }
    const auto* names = static_cast<ngx_str_t*>(zone->names.elts);
    for (ngx_uint_t i = 0; i < zone->names.nelts; ++i)
        zone->indices[i] = place_route(*zone->shared, view(names[i]));
    return NGX_OK;
}

std::uint64_t milliseconds_since(const ngx_http_request_t* r) noexcept {
    const ngx_time_t* now = ngx_timeofday();
    auto elapsed = static_cast<std::int64_t>(now->sec - r->start_sec) * 1000 +
                   (static_cast<std::int64_t>(now->msec) - static_cast<std::int64_t>(r->start_msec));
    return elapsed > 0 ? static_cast<std::uint64_t>(elapsed) : 0;
}

ngx_uint_t status_of(const ngx_http_request_t* r) noexcept {
    return r->err_status != 0 ? r->err_status : r->headers_out.status;
}

} // namespace

MetricsZone* create_metrics(ngx_conf_t* cf) noexcept {
    auto* zone = static_cast<MetricsZone*>(ngx_pcalloc(cf->pool, sizeof(MetricsZone)));
    if (zone == nullptr || ngx_array_init(&zone->names, cf->pool, 16, sizeof(ngx_str_t)) != NGX_OK)
        return nullptr;
    return zone;
}

ngx_int_t add_route(MetricsZone& zone, std::string_view name) noexcept {
    name = slice(name, 0, route_name_max);
    const auto* names = static_cast<ngx_str_t*>(zone.names.elts);
    for (ngx_uint_t i = 0; i < zone.names.nelts; ++i) {
        if (view(names[i]) == name) return static_cast<ngx_int_t>(i);
    }
    auto* added = static_cast<ngx_str_t*>(ngx_array_push(&zone.names));
    if (added == nullptr) return NGX_ERROR;
    *added = ngx_text(name);
    return static_cast<ngx_int_t>(zone.names.nelts - 1);
}

ngx_int_t add_metrics_zone(ngx_conf_t* cf, MetricsZone& zone) noexcept {
    ngx_str_t name = ngx_string("npcchat_metrics");
    // The slab's own data is far below a sixteenth.
    std::size_t size = ngx_align(sizeof(MetricsShared) / 16 * 17 + 8 * ngx_pagesize, ngx_pagesize);
    ngx_shm_zone_t* shm_zone = ngx_shared_memory_add(cf, &name, size, &metrics_zone_tag);
    zone.indices =
        static_cast<ngx_uint_t*>(ngx_pcalloc(cf->pool, (zone.names.nelts + 1) * sizeof(ngx_uint_t)));
    if (shm_zone == nullptr || zone.indices == nullptr) return NGX_ERROR;
    shm_zone->init = init_zone;
    shm_zone->data = &zone;
    return NGX_OK;
}

MetricsPart& metrics_part(MetricsZone& zone) noexcept {
    return zone.shared->parts[ngx_worker % metrics_parts];
}

/// Before any other module can refuse or redirect the request, so that what is refused counts where it came
/// to.
ngx_int_t preaccess_handler(ngx_http_request_t* r) noexcept {
    if (r != r->main || !server_conf(r)->used) return NGX_DECLINED;
    RequestContext* ctx = get_context(r);
    if (ctx == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (ctx->route < 0) ctx->route = location_conf(r)->route;
    return NGX_DECLINED;
}

void note_first_byte(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    if (ctx->first_byte < 0) ctx->first_byte = static_cast<std::int64_t>(milliseconds_since(r));
}

void count_lookup(ngx_http_request_t* r, LookupResult result) noexcept {
    add(metrics_part(*main_conf(r)->metrics).lookups[static_cast<std::size_t>(result)]);
}

ngx_int_t log_phase_handler(ngx_http_request_t* r) noexcept {
    if (r != r->main || !server_conf(r)->used) return NGX_OK;
    MetricsZone& zone = *main_conf(r)->metrics;
    MetricsPart& part = metrics_part(zone);
    const RequestContext* ctx = find_context(r);
    ngx_int_t route = ctx != nullptr && ctx->route >= 0 ? ctx->route : location_conf(r)->route;
    RouteCounts& counts = part.routes[zone.indices[route]];

    std::size_t role = ctx != nullptr && ctx->known() ? 1 + static_cast<std::size_t>(ctx->identity.role) : 0;
    add(counts.requests[role][status_index(status_of(r))]);
    counts.whole.observe(milliseconds_since(r));
    if (ctx == nullptr) return NGX_OK;
    if (ctx->first_byte >= 0) counts.first_byte.observe(static_cast<std::uint64_t>(ctx->first_byte));
    if (ctx->auth != Auth::unseen) add(part.auth[static_cast<std::size_t>(ctx->auth)]);
    if (ctx->limit != Limit::unseen) add(part.limit[static_cast<std::size_t>(ctx->limit)]);
    return NGX_OK;
}

u_char* write_totals(const MetricsShared& shared, u_char* out) noexcept {
    std::uint64_t by_class[6] = {};
    std::uint64_t total = 0;
    for (std::size_t route = 0; route < load(shared.route_count); ++route) {
        for (std::size_t role = 0; role < 3; ++role) {
            for (std::size_t i = 0; i < status_labels.size(); ++i) {
                std::uint64_t count = sum_parts(shared, [=](const MetricsPart& part) -> const std::uint64_t& {
                    return part.routes[route].requests[role][i];
                });
                by_class[status_class(i)] += count;
                total += count;
            }
        }
    }
    return ngx_sprintf(out, "total=%uL;2xx=%uL;3xx=%uL;4xx=%uL;5xx=%uL", total, by_class[2], by_class[3],
                       by_class[4], by_class[5]);
}

} // namespace npcchat
