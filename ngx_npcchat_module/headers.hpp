// The headers between edge and sidecar in a request's list of headers.
#pragma once

#include "module.hpp"

namespace npcchat {

/// Begins with `X-Npcchat-`, in any case.
bool is_reserved_header(const ngx_table_elt_t& header) noexcept;

/// Takes headers out of a list, so that no proxying module sees them. Those that stay do not move: nginx
/// points to them (`headers_in.host`). NGX_OK or NGX_ERROR.
ngx_int_t remove_headers(ngx_list_t& list, bool (*chosen)(const ngx_table_elt_t&)) noexcept;

/// Adds a header; `name` and `value` must live as long as the request. NGX_OK or NGX_ERROR.
ngx_int_t push_header(ngx_list_t& list, std::string_view name, ngx_str_t value) noexcept;

/// Sets what the sidecar is told of a request, and takes the client's key away. NGX_OK or NGX_ERROR.
ngx_int_t set_request_headers(ngx_http_request_t* r, RequestContext* ctx) noexcept;

/// Takes away again what `set_request_headers` set, before a location that is not ours. NGX_OK or NGX_ERROR.
ngx_int_t clear_request_headers(ngx_http_request_t* r, RequestContext* ctx) noexcept;

} // namespace npcchat
