// The directives of limits, and their inheritance.
#include "arguments.hpp"
#include "module.hpp"

#include <new>

namespace npcchat {

namespace {

/// Tells nginx our kinds of zones apart, so that none is taken for the other.
int limit_zone_tag;

constexpr struct {
    std::string_view suffix;
    Window window;
} rate_suffixes[] = {
    {"r/s", Window::second}, {"r/m", Window::minute}, {"r/h", Window::hour}, {"r/d", Window::day}};

/// `<n>r/s`, `<n>r/m`, `<n>r/h` or `<n>r/d`. False: malformed.
bool parse_rate(std::string_view text, ZoneRate& rate) noexcept {
    for (const auto& [suffix, window] : rate_suffixes) {
        if (!text.ends_with(suffix)) continue;
        auto requests = parse_count(slice(text, 0, text.size() - suffix.size()));
        if (!requests) return false;
        rate.window = window;
        rate.requests = *requests;
        return true;
    }
    return false;
}

/// A number of requests, of the argument's part after its name.
bool parse_requests(ngx_conf_t* cf, ngx_uint_t i, std::string_view text, std::int64_t& out) noexcept {
    auto requests = parse_count(text);
    if (!requests) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "invalid number in \"%V\": write a whole number of requests, as \"burst=4\" or \"delay=2\"",
            raw_argument(cf, i));
        return false;
    }
    out = *requests;
    return true;
}

ngx_shm_zone_t* named_zone(ngx_conf_t* cf, std::string_view name) noexcept {
    ngx_str_t text = ngx_text(name);
    return ngx_shared_memory_add(cf, &text, 0, &limit_zone_tag);
}

bool is_off(ngx_conf_t* cf) noexcept {
    return cf->args->nelts == 2 && argument(cf, 1) == "off";
}

char* add_limit(ngx_conf_t* cf, LocationConf& conf, std::string_view zone, LimitUse use) noexcept {
    if (conf.limits == NGX_CONF_UNSET_PTR) conf.limits = ngx_array_create(cf->pool, 1, sizeof(LimitConf));
    ngx_shm_zone_t* shm_zone = named_zone(cf, zone);
    if (conf.limits == nullptr || shm_zone == nullptr) return failed;

    auto* limits = static_cast<LimitConf*>(conf.limits->elts);
    for (ngx_uint_t i = 0; i < conf.limits->nelts; ++i) {
        if (limits[i].zone == shm_zone) return const_cast<char*>("is duplicate");
    }
    if (conf.limits->nelts == limits_max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "too many \"npcchat_limit\": write at most %ui in one place",
                           limits_max);
        return failed;
    }
    auto* limit = static_cast<LimitConf*>(ngx_array_push(conf.limits));
    if (limit == nullptr) return failed;
    *limit = {shm_zone, use, {}};
    return NGX_CONF_OK;
}

bool is_declared(ngx_conf_t* cf, const char* directive, const ngx_shm_zone_t* zone) noexcept {
    if (zone->data != nullptr) return true;
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "\"%s\" names an unknown zone: add \"npcchat_limit_zone zone=%V:16m rate=5r/m;\" to \"http\"",
        directive, &zone->shm.name);
    return false;
}

} // namespace

char* set_limit_zone(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
    std::optional<ZoneName> name;
    ZoneRate rate{Window::minute, -1, true};
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        std::string_view text = argument(cf, i);
        if (auto value = value_of(text, "zone=")) {
            name = parse_zone(cf, *value);
            if (!name) return failed;
        } else if (auto value = value_of(text, "rate=")) {
            if (parse_rate(*value, rate)) continue;
            ngx_conf_log_error(
                NGX_LOG_EMERG, cf, 0,
                "invalid rate \"%V\": write requests a second, minute, hour or day, as \"rate=2r/s\", "
                "\"rate=30r/m\", \"rate=3r/h\" or \"rate=50r/d\"; \"rate=0r/m\" limits only users whose plan "
                "does",
                raw_argument(cf, i));
            return failed;
        } else if (text == "plan=on" || text == "plan=off") {
            rate.plans = text == "plan=on";
        } else {
            return unknown_parameter(cf, i, "zone=NAME:SIZE, rate=RATE and plan=on or plan=off");
        }
    }
    if (!name || rate.requests < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"npcchat_limit_zone\" needs a zone and a rate: write \"npcchat_limit_zone "
                           "zone=npcchat_users:16m rate=5r/m;\"");
        return failed;
    }

    void* memory = ngx_pcalloc(cf->pool, sizeof(LimitZone));
    if (memory == nullptr) return failed;
    auto* zone = new (memory) LimitZone{nullptr, nullptr, rate, nullptr};
    return add_zone(cf, *name, &limit_zone_tag, limit_zone_init, zone) != nullptr ? NGX_CONF_OK : failed;
}

char* set_limit(ngx_conf_t* cf, ngx_command_t*, void* data) noexcept {
    LocationConf& conf = *static_cast<LocationConf*>(data);
    if (conf.limits == nullptr || (is_off(cf) && conf.limits != NGX_CONF_UNSET_PTR)) {
        return const_cast<char*>("stands beside \"npcchat_limit off\": write either one");
    }
    if (is_off(cf)) {
        conf.limits = nullptr;
        return NGX_CONF_OK;
    }

    std::string_view zone;
    LimitUse use{0, 0};
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        std::string_view text = argument(cf, i);
        if (auto value = value_of(text, "zone=")) {
            zone = *value;
        } else if (auto value = value_of(text, "burst=")) {
            if (!parse_requests(cf, i, *value, use.burst)) return failed;
        } else if (auto value = value_of(text, "delay=")) {
            if (!parse_requests(cf, i, *value, use.delay)) return failed;
        } else if (text == "nodelay") {
            use.delay = no_delay;
        } else {
            return unknown_parameter(cf, i, "zone=NAME, burst=NUMBER and delay=NUMBER or nodelay; or off");
        }
    }
    if (zone.empty()) return zone_missing(cf, "npcchat_limit zone=npcchat_users burst=4 nodelay;");
    return add_limit(cf, conf, zone, use);
}

char* set_concurrency(ngx_conf_t* cf, ngx_command_t*, void* data) noexcept {
    ConcurrencyConf& conf = static_cast<LocationConf*>(data)->concurrency;
    if (conf.on != NGX_CONF_UNSET) return const_cast<char*>("is duplicate");
    if (is_off(cf)) {
        conf.on = 0;
        return NGX_CONF_OK;
    }

    std::string_view zone;
    std::optional<std::uint32_t> most;
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        std::string_view text = argument(cf, i);
        if (auto value = value_of(text, "zone=")) {
            zone = *value;
        } else if (auto value = parse_count(text)) {
            most = value;
        } else {
            return unknown_parameter(
                cf, i, "zone=NAME and the number of requests that a user may have open; or off");
        }
    }
    if (zone.empty() || !most) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "\"npcchat_concurrency\" needs a zone and a number: write "
            "\"npcchat_concurrency zone=npcchat_users 4;\"; 0 limits only users whose plan does");
        return failed;
    }
    conf = {1, named_zone(cf, zone), *most};
    return conf.zone != nullptr ? NGX_CONF_OK : failed;
}

void init_limits(LocationConf& conf) noexcept {
    conf.limits = static_cast<ngx_array_t*>(NGX_CONF_UNSET_PTR);
    conf.concurrency.on = NGX_CONF_UNSET;
    conf.limit_status = NGX_CONF_UNSET_UINT;
    conf.limit_log_level = NGX_CONF_UNSET_UINT;
    conf.limit_dry_run = NGX_CONF_UNSET;
}

void merge_limits(const LocationConf& parent, LocationConf& conf) noexcept {
    // Those of a level replace all from above, as those of limit_req.
    if (conf.limits == NGX_CONF_UNSET_PTR) {
        conf.limits = parent.limits == NGX_CONF_UNSET_PTR ? nullptr : parent.limits;
    }
    if (conf.concurrency.on == NGX_CONF_UNSET) {
        conf.concurrency = parent.concurrency;
        if (conf.concurrency.on == NGX_CONF_UNSET) conf.concurrency.on = 0;
    }
    ngx_conf_merge_uint_value(conf.limit_status, parent.limit_status, NGX_HTTP_TOO_MANY_REQUESTS);
    ngx_conf_merge_uint_value(conf.limit_log_level, parent.limit_log_level, NGX_LOG_ERR);
    ngx_conf_merge_value(conf.limit_dry_run, parent.limit_dry_run, 0);
}

char* complete_limits(ngx_conf_t* cf, const LocationConf& conf) noexcept {
    for (ngx_uint_t i = 0; conf.limits != nullptr && i < conf.limits->nelts; ++i) {
        LimitConf& limit = static_cast<LimitConf*>(conf.limits->elts)[i];
        if (!is_declared(cf, "npcchat_limit", limit.zone)) return failed;
        limit.rules = make_rules(Plan{}, static_cast<LimitZone*>(limit.zone->data)->rate, limit.use);
    }
    if (conf.concurrency.on && !is_declared(cf, "npcchat_concurrency", conf.concurrency.zone)) return failed;
    return NGX_CONF_OK;
}

} // namespace npcchat
