// Requests that wait for what a lookup says of their key: one lookup serves all of them.
#include "module.hpp"

namespace npcchat {

struct Waiter {
    ngx_queue_t queue; ///< where `waiting`
    ngx_event_t event; ///< looks at the cache again, or resumes the request
    ngx_http_request_t* request;
    RequestContext* ctx;
    ngx_msec_t since;
    ngx_msec_t pause;
    bool waiting;
};

namespace {

/// Workers cannot wake each other: how often one looks whether another has its answer, in milliseconds.
constexpr ngx_msec_t first_pause = 1;
constexpr ngx_msec_t longest_pause = 64;
/// How often one looks that has a lookup of its own, which wakes it.
constexpr ngx_msec_t own_pause = 1000;
/// No request waits longer than this, whatever happens to those who ask.
constexpr ngx_msec_t longest_wait = 10000;

/// Waiting requests of this worker, by their digest's first byte.
ngx_queue_t waiting[256];

ngx_queue_t& bucket_of(const Digest& digest) noexcept {
    ngx_queue_t& bucket = waiting[digest[0]];
    if (bucket.next == nullptr) {
        ngx_queue_init(&bucket);
    }
    return bucket;
}

void leave_queue(Waiter& waiter) noexcept {
    if (!waiter.waiting) return;
    waiter.waiting = false;
    ngx_queue_remove(&waiter.queue);
}

void resume(Waiter& waiter) noexcept {
    ngx_http_request_t* r = waiter.request;
    ngx_connection_t* c = r->connection;
    leave_queue(waiter);
    ngx_http_set_log_request(c->log, r);
    r->write_event_handler(r);
    ngx_http_run_posted_requests(c);
}

void set_timer(Waiter& waiter, bool elsewhere) noexcept {
    ngx_msec_t pause = own_pause;
    if (elsewhere) {
        pause = waiter.pause;
        waiter.pause = ngx_min(2 * pause, longest_pause);
    }
    ngx_add_timer(&waiter.event, pause);
}

extern "C" void wait_event(ngx_event_t* event) {
    auto& waiter = *static_cast<Waiter*>(event->data);
    if (waiter.ctx->auth == Auth::pending) {
        bool late = ngx_current_msec - waiter.since >= longest_wait;
        bool elsewhere = false;
        if (consult_cache(waiter.request, waiter.ctx, late ? KeyQuery::refused : KeyQuery::again,
                          elsewhere) != NGX_OK) {
            waiter.ctx->auth = Auth::error;
        }
        if (waiter.ctx->auth == Auth::pending) {
            set_timer(waiter, elsewhere);
            return;
        }
        // A lookup that failed at once has posted this event anew.
        if (event->posted) return;
    }
    resume(waiter);
}

extern "C" void forget_waiter(void* data) {
    auto& waiter = *static_cast<Waiter*>(data);
    leave_queue(waiter);
    if (waiter.event.timer_set) {
        ngx_del_timer(&waiter.event);
    }
    if (waiter.event.posted) {
        ngx_delete_posted_event(&waiter.event);
    }
}

} // namespace

ngx_int_t wait_for_key(ngx_http_request_t* r, RequestContext* ctx, bool elsewhere) noexcept {
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(Waiter));
    if (cleanup == nullptr) return NGX_ERROR;
    auto* waiter = static_cast<Waiter*>(cleanup->data);
    *waiter = {};
    cleanup->handler = forget_waiter;

    waiter->request = r;
    waiter->ctx = ctx;
    waiter->since = ngx_current_msec;
    waiter->pause = first_pause;
    waiter->waiting = true;
    ngx_queue_insert_tail(&bucket_of(ctx->digest), &waiter->queue);
    waiter->event.handler = wait_event;
    waiter->event.data = waiter;
    waiter->event.log = r->connection->log;
    ctx->waiter = waiter;
    set_timer(*waiter, elsewhere);
    return NGX_OK;
}

void stop_waiting(RequestContext* ctx) noexcept {
    if (ctx->waiter != nullptr) forget_waiter(ctx->waiter);
    ctx->waiter = nullptr;
}

ngx_http_request_t* take_waiting(const Digest& digest) noexcept {
    ngx_queue_t& bucket = bucket_of(digest);
    for (ngx_queue_t* link = ngx_queue_head(&bucket); link != ngx_queue_sentinel(&bucket);
         link = ngx_queue_next(link)) {
        Waiter* waiter = ngx_queue_data(link, Waiter, queue);
        if (waiter->ctx->digest != digest) continue;

        leave_queue(*waiter);
        if (waiter->event.timer_set) {
            ngx_del_timer(&waiter->event);
        }
        ngx_post_event(&waiter->event, &ngx_posted_events);
        return waiter->request;
    }
    return nullptr;
}

} // namespace npcchat
