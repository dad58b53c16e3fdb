// Directives that are more than a flag or a choice. Every refusal says what to write instead.
#include "module.hpp"

#include "plan.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>

namespace npcchat {

namespace {

/// Tells nginx our kinds of zones apart, so that none is taken for the other.
int key_zone_tag;
int limit_zone_tag;

char* const failed = static_cast<char*>(NGX_CONF_ERROR);

std::string_view argument(ngx_conf_t* cf, ngx_uint_t i) noexcept {
    return view(static_cast<ngx_str_t*>(cf->args->elts)[i]);
}

ngx_str_t* raw_argument(ngx_conf_t* cf, ngx_uint_t i) noexcept {
    return &static_cast<ngx_str_t*>(cf->args->elts)[i];
}

/// What follows `name` (with its `=`) in an argument.
std::optional<std::string_view> value_of(std::string_view argument, std::string_view name) noexcept {
    if (!argument.starts_with(name)) return std::nullopt;
    return slice(argument, name.size());
}

struct ZoneName {
    ngx_str_t name;
    std::size_t size;
};

/// `NAME:SIZE`.
std::optional<ZoneName> parse_zone(ngx_conf_t* cf, std::string_view text) noexcept {
    std::size_t colon = text.find(':');
    std::string_view name = slice(text, 0, colon);
    ngx_str_t size_text =
        ngx_text(colon == std::string_view::npos ? std::string_view{} : slice(text, colon + 1));
    ssize_t size = size_text.len != 0 ? ngx_parse_size(&size_text) : ssize_t{NGX_ERROR};

    if (name.empty() || size == NGX_ERROR) {
        ngx_str_t given = ngx_text(text);
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\": write a name and a size, as in \"zone=npcchat:32m\"",
                           &given);
        return std::nullopt;
    }
    if (static_cast<std::size_t>(size) < 8 * ngx_pagesize) {
        ngx_str_t given = ngx_text(name);
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "zone \"%V\" is too small: write at least \"zone=%V:%uzk\"",
                           &given, &given, 8 * ngx_pagesize / 1024);
        return std::nullopt;
    }
    return ZoneName{ngx_text(name), static_cast<std::size_t>(size)};
}

ngx_shm_zone_t* add_zone(ngx_conf_t* cf, ZoneName zone, void* tag, ngx_shm_zone_init_pt init,
                         void* data) noexcept {
    ngx_shm_zone_t* shm_zone = ngx_shared_memory_add(cf, &zone.name, zone.size, tag);
    if (shm_zone == nullptr) return nullptr;
    if (shm_zone->data != nullptr) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "zone \"%V\" is declared twice: give each a name of its own",
                           &zone.name);
        return nullptr;
    }
    shm_zone->init = init;
    shm_zone->data = data;
    return shm_zone;
}

bool parse_seconds(ngx_conf_t* cf, ngx_uint_t i, std::string_view text, std::uint32_t& out) noexcept {
    constexpr ngx_int_t most = 366 * 24 * 3600;
    ngx_str_t value = ngx_text(text);
    ngx_int_t seconds = ngx_parse_time(&value, 1);
    if (text.empty() || seconds == NGX_ERROR || seconds > most) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time in \"%V\": write whole seconds up to a year, as \"10s\"",
                           raw_argument(cf, i));
        return false;
    }
    out = static_cast<std::uint32_t>(seconds);
    return true;
}

char* unknown_parameter(ngx_conf_t* cf, ngx_uint_t i, const char* known) noexcept {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\": \"%V\" takes %s", raw_argument(cf, i),
                       raw_argument(cf, 0), known);
    return failed;
}

char* zone_missing(ngx_conf_t* cf, const char* example) noexcept {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" needs a zone: write \"%s\"", raw_argument(cf, 0),
                       example);
    return failed;
}

/// `<n>r/s` or `<n>r/m`, in 1/1000 requests a second; -1: malformed.
std::int64_t parse_rate(std::string_view text) noexcept {
    std::int64_t seconds = text.ends_with("r/s") ? 1 : text.ends_with("r/m") ? 60 : 0;
    if (seconds == 0) return -1;
    auto requests = parse_count(slice(text, 0, text.size() - 3));
    return requests ? limit_rate(*requests, seconds) : -1;
}

/// The file's text without white space at its end; `data` null after an error, which has been logged.
ngx_str_t read_secret(ngx_conf_t* cf, const ngx_str_t& path) noexcept {
    constexpr std::size_t most = 1024;
    const ngx_str_t nothing = {0, nullptr};

    int fd = open(reinterpret_cast<const char*>(path.data), O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd == -1 || fstat(fd, &info) == -1) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, ngx_errno,
            "secret file \"%V\" cannot be read: start the sidecar, which makes it, or name its file", &path);
        if (fd != -1) close(fd);
        return nothing;
    }
    if (!S_ISREG(info.st_mode) || (info.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "secret file \"%V\" is open to others: it must be a regular file, \"chmod 640 %V\"", &path,
            &path);
        close(fd);
        return nothing;
    }

    char text[most + 1];
    ssize_t size = read(fd, text, sizeof(text));
    close(fd);
    std::string_view secret(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    bool too_long = secret.size() > most;
    while (!secret.empty() && static_cast<unsigned char>(secret.back()) <= ' ')
        secret.remove_suffix(1);

    bool usable = !secret.empty() && !too_long;
    for (char c : secret)
        usable = usable && c >= 0x21 && c <= 0x7E;
    if (!usable) {
        ngx_conf_log_error(
            NGX_LOG_EMERG, cf, 0,
            "secret file \"%V\" must hold one line of 1 to %uz printable characters without spaces", &path,
            most);
        return nothing;
    }
    return pool_copy(cf->pool, secret);
}

} // namespace

char* set_key_cache(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    auto* mcf = static_cast<MainConf*>(conf);
    if (mcf->keys != nullptr) return const_cast<char*>("is duplicate");

    void* memory = ngx_pcalloc(cf->pool, sizeof(KeyZone));
    if (memory == nullptr) return failed;
    auto* zone = new (memory) KeyZone{nullptr, nullptr, 10, 10, 3600};

    std::optional<ZoneName> name;
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        std::string_view text = argument(cf, i);
        if (auto value = value_of(text, "zone=")) {
            name = parse_zone(cf, *value);
            if (!name) return failed;
        } else if (auto value = value_of(text, "valid=")) {
            if (!parse_seconds(cf, i, *value, zone->valid)) return failed;
        } else if (auto value = value_of(text, "invalid=")) {
            if (!parse_seconds(cf, i, *value, zone->invalid)) return failed;
        } else if (auto value = value_of(text, "stale=")) {
            if (!parse_seconds(cf, i, *value, zone->stale)) return failed;
        } else {
            return unknown_parameter(cf, i, "zone=NAME:SIZE, valid=TIME, invalid=TIME and stale=TIME");
        }
    }
    if (!name) return zone_missing(cf, "npcchat_key_cache zone=npcchat_keys:32m;");

    mcf->keys = add_zone(cf, *name, &key_zone_tag, key_zone_init, zone);
    return mcf->keys != nullptr ? NGX_CONF_OK : failed;
}

char* set_secret_file(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    auto* mcf = static_cast<MainConf*>(conf);
    if (mcf->secret.data != nullptr) return const_cast<char*>("is duplicate");

    ngx_str_t path = *raw_argument(cf, 1);
    if (path.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"npcchat_secret_file\" needs the path of the sidecar's secret file");
        return failed;
    }
    if (ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) return failed;
    mcf->secret = read_secret(cf, path);
    return mcf->secret.data != nullptr ? NGX_CONF_OK : failed;
}

char* set_limit_zone(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
    std::optional<ZoneName> name;
    std::int64_t rate = -1;
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        std::string_view text = argument(cf, i);
        if (auto value = value_of(text, "zone=")) {
            name = parse_zone(cf, *value);
            if (!name) return failed;
        } else if (auto value = value_of(text, "rate=")) {
            rate = parse_rate(*value);
            if (rate < 0) {
                ngx_conf_log_error(
                    NGX_LOG_EMERG, cf, 0,
                    "invalid rate \"%V\": write requests a second or a minute, as \"rate=2r/s\" or "
                    "\"rate=30r/m\"; \"rate=0r/m\" limits only users whose plan does",
                    raw_argument(cf, i));
                return failed;
            }
        } else {
            return unknown_parameter(cf, i, "zone=NAME:SIZE and rate=RATE");
        }
    }
    if (!name || rate < 0) return zone_missing(cf, "npcchat_limit_zone zone=npcchat_users:16m rate=5r/m;");

    void* memory = ngx_pcalloc(cf->pool, sizeof(LimitZone));
    if (memory == nullptr) return failed;
    auto* zone = new (memory) LimitZone{nullptr, nullptr, rate};
    return add_zone(cf, *name, &limit_zone_tag, limit_zone_init, zone) != nullptr ? NGX_CONF_OK : failed;
}

char* set_limit(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    LimitConf& limit = static_cast<LocationConf*>(conf)->limit;
    if (limit.on != NGX_CONF_UNSET) return const_cast<char*>("is duplicate");

    if (cf->args->nelts == 2 && argument(cf, 1) == "off") {
        limit.on = 0;
        return NGX_CONF_OK;
    }

    ngx_str_t zone = {0, nullptr};
    bool nodelay = false;
    for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
        std::string_view text = argument(cf, i);
        if (auto value = value_of(text, "zone=")) {
            zone = ngx_text(*value);
        } else if (auto value = value_of(text, "burst=")) {
            auto burst = parse_count(*value);
            if (!burst) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid burst \"%V\": write a number of requests, as \"burst=4\"",
                                   raw_argument(cf, i));
                return failed;
            }
            limit.burst = std::int64_t{*burst} * 1000;
        } else if (text == "nodelay") {
            nodelay = true;
        } else {
            return unknown_parameter(cf, i, "zone=NAME, burst=NUMBER and nodelay, or off");
        }
    }
    if (zone.len == 0) return zone_missing(cf, "npcchat_limit zone=npcchat_users burst=4 nodelay;");
    if (!nodelay) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"npcchat_limit\" refuses requests and does not delay them: add \"nodelay\"");
        return failed;
    }

    limit.on = 1;
    limit.zone = ngx_shared_memory_add(cf, &zone, 0, &limit_zone_tag);
    return limit.zone != nullptr ? NGX_CONF_OK : failed;
}

char* set_lookup(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    auto* lcf = static_cast<LocationConf*>(conf);
    if (lcf->lookup.data != nullptr) return const_cast<char*>("is duplicate");

    lcf->lookup = *raw_argument(cf, 1);
    if (view(lcf->lookup).starts_with('/')) return NGX_CONF_OK;
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "\"npcchat_keys\" needs the URI of an internal location, as \"/_npcchat/key\", not \"%V\"",
        &lcf->lookup);
    return failed;
}

char* set_error_page(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    auto* lcf = static_cast<LocationConf*>(conf);
    auto* clcf =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    clcf->handler = error_page_handler;

    // An error's page needs no key, whatever is inherited.
    if (lcf->mode == NGX_CONF_UNSET_UINT) lcf->mode = mode_off;
    return NGX_CONF_OK;
}

} // namespace npcchat
