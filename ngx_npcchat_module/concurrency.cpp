// How many requests of a user are open. Each open request is a cell in its worker's list, so that what a
// killed worker leaves behind can be found and taken back.
#include "limit_zone.hpp"

#include <csignal>

namespace npcchat {

/// A worker's, kept for the next one in its place.
struct WorkerSlot {
    ngx_queue_t queue;
    ngx_queue_t open;  ///< of OpenRequest
    ngx_int_t process; ///< nginx's own number for the place
    ngx_pid_t pid;
};

namespace {

struct OpenRequest {
    ngx_queue_t queue;
    LimitEntry* entry;
};

/// What a request's pool remembers.
struct Opened {
    LimitZone* zone;
    OpenRequest* request; ///< null: closed before
};

void take_back(LimitZone& zone, OpenRequest& request) noexcept {
    ngx_queue_remove(&request.queue);
    // nginx's macros are several statements.
    if (--request.entry->open == 0) {
        ngx_queue_insert_head(&zone.shared->queue, &request.entry->queue);
    }
    ngx_slab_free_locked(zone.pool, &request);
}

void clear(LimitZone& zone, WorkerSlot& slot) noexcept {
    while (!ngx_queue_empty(&slot.open)) {
        take_back(zone, *ngx_queue_data(ngx_queue_head(&slot.open), OpenRequest, queue));
    }
}

template <typename Visit> void for_each_slot(LimitShared& shared, Visit visit) noexcept {
    for (ngx_queue_t* at = ngx_queue_head(&shared.workers); at != ngx_queue_sentinel(&shared.workers);
         at = ngx_queue_next(at)) {
        visit(*ngx_queue_data(at, WorkerSlot, queue));
    }
}

/// nginx gives a place to a new worker only when the one before is gone: what is still counted there was not
/// given back.
WorkerSlot* own_slot(LimitZone& zone) noexcept {
    if (zone.slot != nullptr) return zone.slot;

    WorkerSlot* found = nullptr;
    for_each_slot(*zone.shared, [&](WorkerSlot& slot) {
        if (slot.process == ngx_process_slot) found = &slot;
    });
    if (found == nullptr) {
        found = static_cast<WorkerSlot*>(limit_allocate(zone, sizeof(WorkerSlot)));
        if (found == nullptr) return nullptr;
        ngx_queue_init(&found->open);
        found->process = ngx_process_slot;
        ngx_queue_insert_head(&zone.shared->workers, &found->queue);
    } else if (found->pid != ngx_pid) {
        clear(zone, *found);
    }
    found->pid = ngx_pid;
    zone.slot = found;
    return found;
}

/// Whether something was taken back from workers that are gone. Asked when a request would be refused, and so
/// at most once a second.
bool sweep(LimitZone& zone) noexcept {
    constexpr std::uint64_t pause_ms = 1000;
    if (ngx_current_msec - zone.shared->swept < pause_ms) return false;
    zone.shared->swept = ngx_current_msec;

    bool found = false;
    for_each_slot(*zone.shared, [&](WorkerSlot& slot) {
        if (ngx_queue_empty(&slot.open) || kill(slot.pid, 0) == 0 || ngx_errno != NGX_ESRCH) return;
        clear(zone, slot);
        found = true;
    });
    return found;
}

void close(Opened& opened) noexcept {
    if (opened.request == nullptr) return;
    LimitLock lock(*opened.zone);
    take_back(*opened.zone, *opened.request);
    opened.request = nullptr;
}

extern "C" void close_at_end(void* data) {
    close(*static_cast<Opened*>(data));
}

} // namespace

OpenAnswer open_request(LimitZone& zone, std::int64_t user, std::uint32_t most, ngx_pool_t* pool) noexcept {
    using Result = OpenAnswer::Result;
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(pool, sizeof(Opened));
    if (cleanup == nullptr) return {Result::no_memory, 0};

    LimitLock lock(zone);
    // The cell comes before the entry, as making room for it must not cost the entry.
    WorkerSlot* slot = own_slot(zone);
    auto* request =
        static_cast<OpenRequest*>(slot != nullptr ? limit_allocate(zone, sizeof(OpenRequest)) : nullptr);
    if (request == nullptr) return {Result::no_memory, 0};

    LimitEntry* entry = limit_entry(zone, user);
    if (entry != nullptr && entry->open >= most && sweep(zone)) entry = limit_entry(zone, user);
    if (entry == nullptr || entry->open >= most) {
        ngx_slab_free_locked(zone.pool, request);
        return entry == nullptr ? OpenAnswer{Result::no_memory, 0} : OpenAnswer{Result::refused, entry->open};
    }

    if (entry->open++ == 0) {
        ngx_queue_remove(&entry->queue);
    }
    request->entry = entry;
    ngx_queue_insert_head(&slot->open, &request->queue);
    *static_cast<Opened*>(cleanup->data) = {&zone, request};
    cleanup->handler = close_at_end;
    return {Result::opened, entry->open};
}

void close_request(ngx_pool_t* pool) noexcept {
    for (ngx_pool_cleanup_t* cleanup = pool->cleanup; cleanup != nullptr; cleanup = cleanup->next) {
        if (cleanup->handler != close_at_end) continue;
        close(*static_cast<Opened*>(cleanup->data));
        return;
    }
}

} // namespace npcchat
