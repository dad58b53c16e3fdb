// What directives have in common: their arguments, their zones, and how they refuse. Every refusal says what
// to write instead.
#pragma once

#include "common/slice.hpp"
#include "ngx.hpp"

#include <optional>

namespace npcchat {

/// What a directive's handler returns once it has logged an error.
inline char* const failed = static_cast<char*>(NGX_CONF_ERROR);

/// The i-th argument; 0 is the directive's name.
std::string_view argument(ngx_conf_t* cf, ngx_uint_t i) noexcept;
ngx_str_t* raw_argument(ngx_conf_t* cf, ngx_uint_t i) noexcept;

/// What follows `name` (with its `=`) in an argument.
std::optional<std::string_view> value_of(std::string_view argument, std::string_view name) noexcept;

struct ZoneName {
    ngx_str_t name;
    std::size_t size;
};

/// `NAME:SIZE`; nothing after an error, which has been logged.
std::optional<ZoneName> parse_zone(ngx_conf_t* cf, std::string_view text) noexcept;

/// A new zone; `tag` tells its kind. Null after an error, which has been logged.
ngx_shm_zone_t* add_zone(ngx_conf_t* cf, ZoneName zone, void* tag, ngx_shm_zone_init_pt init,
                         void* data) noexcept;

/// Log an error and return `failed`.
char* unknown_parameter(ngx_conf_t* cf, ngx_uint_t i, const char* known) noexcept;
char* zone_missing(ngx_conf_t* cf, const char* example) noexcept;

} // namespace npcchat
