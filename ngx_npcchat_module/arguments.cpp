#include "arguments.hpp"

namespace npcchat {

std::string_view argument(ngx_conf_t* cf, ngx_uint_t i) noexcept {
    return view(static_cast<ngx_str_t*>(cf->args->elts)[i]);
}

ngx_str_t* raw_argument(ngx_conf_t* cf, ngx_uint_t i) noexcept {
    return &static_cast<ngx_str_t*>(cf->args->elts)[i];
}

std::optional<std::string_view> value_of(std::string_view argument, std::string_view name) noexcept {
    if (!argument.starts_with(name)) return std::nullopt;
    return slice(argument, name.size());
}

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

} // namespace npcchat
