// Requests of the module's own to an internal location, which no client's request has to wait for: a client
// that leaves does not end what others wait for, and a connection is free for its next request meanwhile.
#pragma once

#include "ngx.hpp"

namespace npcchat {

/// A main request without a client, in the server and with the log of `like`. Its `headers_in.headers` are
/// what a subrequest of it sends. Null where there is no memory.
ngx_http_request_t* open_own_request(ngx_http_request_t* like) noexcept;

/// Sends one GET to an internal location and calls `handler(subrequest, data, rc)` when its answer's header
/// is there or it has failed; the handler must return NGX_OK. After that, or after NGX_ERROR, for which no
/// handler is called, `own` and its memory are gone; not before the caller returns to nginx's loop.
ngx_int_t send_own_request(ngx_http_request_t* own, ngx_str_t uri, ngx_http_post_subrequest_pt handler,
                           void* data) noexcept;

/// Ends one that was not sent.
void drop_own_request(ngx_http_request_t* own) noexcept;

} // namespace npcchat
