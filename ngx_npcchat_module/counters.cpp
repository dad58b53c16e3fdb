#include "counters.hpp"

#include "module.hpp"

namespace npcchat {

void count_status(Counters& counters, ngx_uint_t status) noexcept {
    (void)ngx_atomic_fetch_add(&counters.total, 1);
    if (status >= 100 && status < 600) (void)ngx_atomic_fetch_add(&counters.by_class[status / 100 - 1], 1);
}

u_char* write_counters(const Counters& counters, u_char* out) noexcept {
    return ngx_sprintf(out, "total=%uA;2xx=%uA;3xx=%uA;4xx=%uA;5xx=%uA", counters.total, counters.by_class[1],
                       counters.by_class[2], counters.by_class[3], counters.by_class[4]);
}

ngx_int_t log_phase_handler(ngx_http_request_t* r) noexcept {
    const MainConf* mcf = main_conf(r);
    if (r == r->main && server_conf(r)->used && mcf->keys != nullptr) {
        count_status(key_zone_counters(*key_zone(mcf)), r->headers_out.status);
    }
    return NGX_OK;
}

} // namespace npcchat
