// nginx knows subrequests of a client's request only. So there is a client here that never reads or writes:
// its connection has no socket, and counts as registered for events, so that nothing tries to register it.
#include "own_request.hpp"

#include <sys/un.h>

namespace npcchat {

namespace {

struct OwnRequest {
    ngx_connection_t connection;
    ngx_event_t read;
    ngx_event_t write;
    ngx_event_t closing;
    ngx_log_t log;
    ngx_http_log_ctx_t log_context;
};

sockaddr_un nowhere = {AF_UNIX, {}};

extern "C" void ignore_event(ngx_event_t*) {}

/// What stands behind an error: it has no client and no request line.
extern "C" u_char* log_own_request(ngx_log_t* log, u_char* out, std::size_t room) {
    u_char* last = out + room;
    if (log->action != nullptr) out = ngx_slprintf(out, last, " while %s", log->action);
    const auto* context = static_cast<ngx_http_log_ctx_t*>(log->data);
    const ngx_http_request_t* sr = context->current_request;
    if (sr == nullptr) return out;
    out = ngx_slprintf(out, last, ", asking \"%V\"", &sr->uri);
    if (sr->upstream != nullptr && sr->upstream->peer.name != nullptr)
        out = ngx_slprintf(out, last, ", upstream: \"%V\"", sr->upstream->peer.name);
    return out;
}

void destroy(OwnRequest* own, ngx_http_request_t* r) noexcept {
    for (ngx_http_cleanup_t* cleanup = r->cleanup; cleanup != nullptr; cleanup = cleanup->next) {
        if (cleanup->handler != nullptr) cleanup->handler(cleanup->data);
    }
    ngx_destroy_pool(r->pool);
    ngx_destroy_pool(own->connection.pool);
    ngx_free(own);
}

extern "C" void close_own_request(ngx_event_t* event) {
    auto* r = static_cast<ngx_http_request_t*>(event->data);
    destroy(reinterpret_cast<OwnRequest*>(r->connection), r);
}

/// nginx runs it when the subrequest is done, from functions that go on using the connection.
extern "C" void end_own_request(ngx_http_request_t* r) {
    auto* own = reinterpret_cast<OwnRequest*>(r->connection);
    r->write_event_handler = ngx_http_request_empty_handler;
    ngx_post_event(&own->closing, &ngx_posted_events);
}

void init_connection(OwnRequest* own, const ngx_log_t& log) noexcept {
    own->log = log;
    own->log.connection = 0;
    own->log.handler = log_own_request;
    own->log.data = &own->log_context;
    own->log.action = nullptr;
    own->log_context.connection = &own->connection;

    for (ngx_event_t* event : {&own->read, &own->write}) {
        event->data = &own->connection;
        event->log = &own->log;
        event->handler = ignore_event;
        event->active = 1;
    }
    own->write.write = 1;

    ngx_connection_t& connection = own->connection;
    connection.fd = static_cast<ngx_socket_t>(-1);
    connection.read = &own->read;
    connection.write = &own->write;
    connection.log = &own->log;
    connection.sockaddr = reinterpret_cast<sockaddr*>(&nowhere);
    connection.socklen = sizeof(nowhere);
    connection.local_sockaddr = connection.sockaddr;
    connection.local_socklen = connection.socklen;
    ngx_str_set(&connection.addr_text, "unix:");
    connection.tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    connection.tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
}

/// As nginx's ngx_http_alloc_request sets a request up, as far as subrequests look at it.
ngx_int_t init_request(ngx_http_request_t* r, const ngx_http_request_t* like) noexcept {
    auto* cscf =
        static_cast<ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf(like, ngx_http_core_module));
    r->main_conf = cscf->ctx->main_conf;
    r->srv_conf = cscf->ctx->srv_conf;
    r->loc_conf = cscf->ctx->loc_conf;
    auto* cmcf =
        static_cast<ngx_http_core_main_conf_t*>(ngx_http_get_module_main_conf(r, ngx_http_core_module));

    r->ctx = static_cast<void**>(ngx_pcalloc(r->pool, sizeof(void*) * ngx_http_max_module));
    r->variables = static_cast<ngx_http_variable_value_t*>(
        ngx_pcalloc(r->pool, cmcf->variables.nelts * sizeof(ngx_http_variable_value_t)));
    // A body of its own, empty: nginx would wait for the client's.
    r->request_body =
        static_cast<ngx_http_request_body_t*>(ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t)));
    r->header_in = ngx_create_temp_buf(r->pool, 1);
    if (r->ctx == nullptr || r->variables == nullptr || r->request_body == nullptr ||
        r->header_in == nullptr ||
        ngx_list_init(&r->headers_in.headers, r->pool, 8, sizeof(ngx_table_elt_t)) != NGX_OK ||
        ngx_list_init(&r->headers_out.headers, r->pool, 1, sizeof(ngx_table_elt_t)) != NGX_OK ||
        ngx_list_init(&r->headers_out.trailers, r->pool, 1, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }
    r->signature = NGX_HTTP_MODULE;
    r->main = r;
    r->count = 1;
    r->subrequests = NGX_HTTP_MAX_SUBREQUESTS + 1;
    r->uri_changes = NGX_HTTP_MAX_URI_CHANGES + 1;
    r->method = NGX_HTTP_GET;
    r->method_name = ngx_http_core_get_method;
    r->http_version = NGX_HTTP_VERSION_11;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;
    r->headers_in.content_length_n = -1;
    r->headers_in.keep_alive_n = -1;
    r->headers_out.content_length_n = -1;
    r->headers_out.last_modified_time = -1;
    const ngx_time_t* now = ngx_timeofday();
    r->start_sec = now->sec;
    r->start_msec = now->msec;
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = end_own_request;
    return NGX_OK;
}

} // namespace

void drop_own_request(ngx_http_request_t* own) noexcept {
    destroy(reinterpret_cast<OwnRequest*>(own->connection), own);
}

ngx_http_request_t* open_own_request(ngx_http_request_t* like) noexcept {
    auto* own = static_cast<OwnRequest*>(ngx_calloc(sizeof(OwnRequest), ngx_cycle->log));
    if (own == nullptr) return nullptr;
    auto* clcf =
        static_cast<ngx_http_core_loc_conf_t*>(ngx_http_get_module_loc_conf(like, ngx_http_core_module));
    init_connection(own, *clcf->error_log);

    ngx_connection_t& connection = own->connection;
    connection.pool = ngx_create_pool(NGX_MIN_POOL_SIZE, &own->log);
    ngx_pool_t* pool = ngx_create_pool(4096, &own->log);
    auto* r = pool != nullptr
                  ? static_cast<ngx_http_request_t*>(ngx_pcalloc(pool, sizeof(ngx_http_request_t)))
                  : nullptr;
    if (connection.pool == nullptr || r == nullptr) {
        if (pool != nullptr) ngx_destroy_pool(pool);
        if (connection.pool != nullptr) ngx_destroy_pool(connection.pool);
        ngx_free(own);
        return nullptr;
    }
    r->pool = pool;
    r->connection = &connection;
    connection.data = r;
    own->log_context.request = r;
    own->closing.handler = close_own_request;
    own->closing.data = r;
    own->closing.log = &own->log;
    if (init_request(r, like) == NGX_OK) return r;
    destroy(own, r);
    return nullptr;
}

ngx_int_t send_own_request(ngx_http_request_t* own, ngx_str_t uri, ngx_http_post_subrequest_pt handler,
                           void* data) noexcept {
    auto* done =
        static_cast<ngx_http_post_subrequest_t*>(ngx_palloc(own->pool, sizeof(ngx_http_post_subrequest_t)));
    ngx_http_request_t* sr = nullptr;
    if (done != nullptr) {
        *done = {handler, data};
        if (ngx_http_subrequest(own, &uri, nullptr, &sr, done, NGX_HTTP_SUBREQUEST_WAITED) != NGX_OK)
            sr = nullptr;
    }
    if (sr == nullptr) {
        end_own_request(own);
        return NGX_ERROR;
    }
    sr->header_only = 1;
    ngx_http_run_posted_requests(own->connection);
    return NGX_OK;
}

} // namespace npcchat
