// Directives that are more than a flag or a choice. Every refusal says what to write instead.
#include "arguments.hpp"
#include "module.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>

namespace npcchat {

namespace {

/// Tells nginx our kinds of zones apart, so that none is taken for the other.
int key_zone_tag;

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

char* set_route(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    auto* lcf = static_cast<LocationConf*>(conf);
    if (lcf->route_name.data != nullptr) return const_cast<char*>("is duplicate");

    lcf->route_name = *raw_argument(cf, 1);
    if (lcf->route_name.len >= 1 && lcf->route_name.len <= route_name_max) return NGX_CONF_OK;
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"npcchat_route\" needs a name of 1 to %uz bytes, as \"chat\", not \"%V\"",
                       route_name_max, &lcf->route_name);
    return failed;
}

char* set_metrics(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
    auto* clcf =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    clcf->handler = metrics_handler;
    static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_npcchat_module))->metrics_shown =
        true;
    return NGX_CONF_OK;
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
