#include "key_table.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <bit>

namespace npcchat {

namespace {

/// Buckets are searched to this depth for a plan: where users have plans of their own, sharing is not tried
/// for long.
constexpr int plan_search_depth = 8;

std::size_t plan_bucket(std::string_view plan) noexcept {
    return ngx_murmur_hash2(ngx_text(plan).data, plan.size()) % plan_buckets;
}

/// In the same time wherever they differ, and without a call as CRYPTO_memcmp's, which looks at each byte.
bool is_same(const Digest& one, const Digest& other) noexcept {
    std::uint64_t words[2][sizeof(Digest) / sizeof(std::uint64_t)];
    std::memcpy(words[0], one.data(), sizeof(Digest));
    std::memcpy(words[1], other.data(), sizeof(Digest));
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < std::size(words[0]); ++i)
        difference |= words[0][i] ^ words[1][i];
    // The compiler cannot tell what is in it, so it cannot leave the loop early.
    __asm__("" : "+r"(difference));
    return difference == 0;
}

} // namespace

template <typename Cell> Cell* KeyTable::at(CellRef ref) const noexcept {
    return reinterpret_cast<Cell*>(reinterpret_cast<u_char*>(pool_) + std::size_t{ref} * cell_size);
}

CellRef KeyTable::ref_of(const void* cell) const noexcept {
    auto offset = static_cast<const u_char*>(cell) - reinterpret_cast<const u_char*>(pool_);
    return static_cast<CellRef>(static_cast<std::size_t>(offset) / cell_size);
}

/// Multiplicative hashing of the digest's first bytes.
CellRef* KeyTable::bucket_of(const Digest& digest) const noexcept {
    std::uint64_t head;
    std::memcpy(&head, digest.data(), sizeof(head));
    return &shared_->buckets[(head * shared_->seed) >> shared_->bucket_shift];
}

ngx_queue_t& KeyTable::queue_of(const KeyEntry& entry) const noexcept {
    return entry.is_valid() ? shared_->valid : shared_->others;
}

KeyShared* KeyTable::create(ngx_slab_pool_t* pool) noexcept {
    auto* shared = static_cast<KeyShared*>(ngx_slab_calloc(pool, sizeof(KeyShared)));
    if (shared == nullptr) return nullptr;

    // Two to four keys a bucket.
    std::size_t cells = pool->pfree * (ngx_pagesize / cell_size);
    std::size_t buckets = std::bit_floor(std::max<std::size_t>(cells / 2, 2));
    shared->buckets = static_cast<CellRef*>(ngx_slab_calloc(pool, buckets * sizeof(CellRef)));
    if (shared->buckets == nullptr) return nullptr;
    shared->bucket_shift = 64 - static_cast<std::uint32_t>(std::countr_zero(buckets));
    auto* seed = reinterpret_cast<unsigned char*>(&shared->seed);
    if (RAND_bytes(seed, sizeof(shared->seed)) != 1) return nullptr;
    shared->seed |= 1;

    cells = pool->pfree * (ngx_pagesize / cell_size);
    constexpr std::size_t least_others = 8;
    std::size_t others = std::max(cells / 64, least_others);
    shared->valid_most = static_cast<std::uint32_t>(cells > others ? cells - others : 0);

    ngx_queue_init(&shared->valid);
    ngx_queue_init(&shared->others);
    for (ngx_queue_t& bucket : shared->plans) {
        ngx_queue_init(&bucket);
    }

    // A full zone is a cache's normal state, not an event for the log.
    pool->log_nomem = 0;
    return shared;
}

KeyEntry* KeyTable::find(const Digest& digest) const noexcept {
    for (CellRef ref = *bucket_of(digest); ref != 0;) {
        auto* entry = at<KeyEntry>(ref);
        if (is_same(entry->digest, digest)) return entry;
        ref = entry->next;
    }
    return nullptr;
}

void KeyTable::enqueue(KeyEntry& entry) noexcept {
    ngx_queue_insert_head(&queue_of(entry), &entry.queue);
    ++(entry.is_valid() ? shared_->valid_count : shared_->other_count);
    if (entry.is_valid()) ++shared_->valid_cells;
}

void KeyTable::dequeue(KeyEntry& entry) noexcept {
    ngx_queue_remove(&entry.queue);
    --(entry.is_valid() ? shared_->valid_count : shared_->other_count);
    if (entry.is_valid()) --shared_->valid_cells;
}

KeyEntry* KeyTable::oldest(bool valid) const noexcept {
    ngx_queue_t& queue = valid ? shared_->valid : shared_->others;
    if (ngx_queue_empty(&queue)) return nullptr;
    return ngx_queue_data(ngx_queue_last(&queue), KeyEntry, queue);
}

/// `keep` is spared.
void* KeyTable::allocate(bool valid, const KeyEntry* keep) noexcept {
    for (;;) {
        bool allowed = !valid || shared_->valid_cells < shared_->valid_most;
        if (allowed) {
            if (void* cell = ngx_slab_alloc_locked(pool_, cell_size)) return cell;
        }
        KeyEntry* victim = allowed ? oldest(false) : nullptr;
        if (victim == nullptr || victim == keep) victim = valid ? oldest(true) : nullptr;
        if (victim == nullptr || victim == keep) return nullptr;
        drop(*victim);
    }
}

void KeyTable::release(void* cell, bool valid) noexcept {
    if (valid) --shared_->valid_cells;
    ngx_slab_free_locked(pool_, cell);
}

KeyEntry* KeyTable::claim(const Digest& digest, Kind kind) noexcept {
    KeyEntry* entry = find(digest);
    if (entry != nullptr) {
        free_text(*entry);
        dequeue(*entry);
    } else {
        entry = static_cast<KeyEntry*>(allocate(kind == Kind::valid, nullptr));
        if (entry == nullptr) return nullptr;
        entry->digest = digest;
        CellRef* bucket = bucket_of(digest);
        entry->next = *bucket;
        *bucket = ref_of(entry);
    }
    entry->kind = kind;
    entry->change = 0;
    entry->plan = 0;
    entry->fresh_until = 0;
    entry->dies_at = 0;
    entry->failed_at = 0;
    entry->asked_until = 0;
    entry->asked_by = 0;
    entry->used_at = 0;
    entry->name_size = 0;
    entry->admin = false;
    enqueue(*entry);
    return entry;
}

void KeyTable::drop(KeyEntry& entry) noexcept {
    if (!entry.is_valid()) shared_->forgotten = std::max(shared_->forgotten, entry.change);
    free_text(entry);
    dequeue(entry);
    CellRef ref = ref_of(&entry);
    CellRef* link = bucket_of(entry.digest);
    while (*link != ref)
        link = &at<KeyEntry>(*link)->next;
    *link = entry.next;
    ngx_slab_free_locked(pool_, &entry);
}

void KeyTable::touch(KeyEntry& entry) noexcept {
    auto now = static_cast<std::uint32_t>(ngx_current_msec / (1000 / 16));
    if (entry.used_at == now) return;
    entry.used_at = now;
    ngx_queue_t& queue = queue_of(entry);
    ngx_queue_remove(&entry.queue);
    ngx_queue_insert_head(&queue, &entry.queue);
}

CellRef KeyTable::store_cells(std::string_view text, const KeyEntry& keep) noexcept {
    CellRef first = 0;
    CellRef* link = &first;
    while (!text.empty()) {
        auto* cell = static_cast<TextCell*>(allocate(true, &keep));
        if (cell == nullptr) {
            free_cells(first);
            return 0;
        }
        ++shared_->valid_cells;
        std::string_view part = slice(text, 0, sizeof(cell->text));
        std::memcpy(cell->text, part.data(), part.size());
        cell->next = 0;
        *link = ref_of(cell);
        link = &cell->next;
        text.remove_prefix(part.size());
    }
    return first;
}

void KeyTable::load_cells(CellRef ref, char* out, std::size_t size) const noexcept {
    while (size > 0) {
        const auto* cell = at<TextCell>(ref);
        std::size_t part = std::min(sizeof(cell->text), size);
        out = std::copy_n(cell->text, part, out);
        size -= part;
        ref = cell->next;
    }
}

void KeyTable::free_cells(CellRef ref) noexcept {
    while (ref != 0) {
        auto* cell = at<TextCell>(ref);
        ref = cell->next;
        release(cell, true);
    }
}

void KeyTable::free_text(KeyEntry& entry) noexcept {
    if (!entry.is_valid()) return;
    if (entry.has_long_name()) free_cells(entry.more);
    entry.name_size = 0;

    if (entry.plan == 0) return;
    auto* plan = at<PlanCell>(entry.plan);
    entry.plan = 0;
    if (--plan->uses > 0) return;
    ngx_queue_remove(&plan->queue);
    free_cells(plan->more);
    release(plan, true);
}

PlanCell* KeyTable::find_plan(ngx_queue_t& bucket, std::string_view plan) const noexcept {
    int depth = 0;
    ngx_queue_t* link = ngx_queue_head(&bucket);
    for (; link != ngx_queue_sentinel(&bucket) && depth < plan_search_depth; link = ngx_queue_next(link)) {
        auto* cell = ngx_queue_data(link, PlanCell, queue);
        ++depth;
        if (cell->size != plan.size()) continue;
        char text[protocol::plan_max];
        std::size_t here = std::min(sizeof(cell->text), plan.size());
        std::memcpy(text, cell->text, here);
        load_cells(cell->more, text + here, plan.size() - here);
        if (std::string_view(text, plan.size()) == plan) return cell;
    }
    return nullptr;
}

CellRef KeyTable::use_plan(std::string_view plan, const KeyEntry& keep) noexcept {
    ngx_queue_t& bucket = shared_->plans[plan_bucket(plan)];
    PlanCell* cell = find_plan(bucket, plan);
    if (cell != nullptr) {
        ++cell->uses;
        ngx_queue_remove(&cell->queue);
    } else {
        cell = static_cast<PlanCell*>(allocate(true, &keep));
        if (cell == nullptr) return 0;
        ++shared_->valid_cells;
        std::string_view here = slice(plan, 0, sizeof(cell->text));
        std::string_view rest = slice(plan, here.size());
        CellRef more = store_cells(rest, keep);
        if (more == 0 && !rest.empty()) {
            release(cell, true);
            return 0;
        }
        std::memcpy(cell->text, here.data(), here.size());
        cell->more = more;
        cell->size = static_cast<std::uint16_t>(plan.size());
        cell->uses = 1;
    }
    ngx_queue_insert_head(&bucket, &cell->queue);
    return ref_of(cell);
}

bool KeyTable::set_text(KeyEntry& entry, std::string_view name, std::string_view plan) noexcept {
    if (name.size() > sizeof(entry.name)) {
        CellRef more = store_cells(name, entry);
        if (more == 0) return false;
        entry.more = more;
    } else {
        std::memcpy(entry.name, name.data(), name.size());
    }
    entry.name_size = static_cast<std::uint16_t>(name.size());
    if (plan.empty()) return true;
    entry.plan = use_plan(plan, entry);
    return entry.plan != 0;
}

void KeyTable::load(const KeyEntry& entry, char* out, Identity& identity) const noexcept {
    std::size_t name_size = entry.name_size;
    if (entry.has_long_name()) {
        load_cells(entry.more, out, name_size);
    } else {
        std::memcpy(out, entry.name, name_size);
    }
    std::size_t plan_size = 0;
    if (entry.plan != 0) {
        const auto* plan = at<PlanCell>(entry.plan);
        plan_size = plan->size;
        std::size_t here = std::min(sizeof(plan->text), plan_size);
        std::memcpy(out + name_size, plan->text, here);
        load_cells(plan->more, out + name_size + here, plan_size - here);
    }
    identity = {
        entry.id, entry.admin ? Role::admin : Role::user, {out, name_size}, {out + name_size, plan_size}};
}

} // namespace npcchat
