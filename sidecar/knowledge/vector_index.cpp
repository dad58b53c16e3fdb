#include "knowledge/vector_index.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <iterator>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEvery = 1s;
constexpr int kPage = 500; // others wait for the database meanwhile
constexpr auto kSearchLimit = 2s;
constexpr std::size_t kFew = 2000; // are compared on the loop: some 50 µs
constexpr auto kGrowStep = 2ms;    // searches wait for one step, and chats have the processor between two

} // namespace

std::shared_ptr<VectorIndex::Entry> VectorIndex::entry_of(const EmbeddingModel& model,
                                                          std::int64_t scope_id) {
    const std::lock_guard lock(mutex_);
    if (model.id != model_id_) entries_.clear();
    model_id_ = model.id;
    auto& entry = entries_[scope_id];
    if (!entry) {
        entry = std::make_shared<Entry>();
        entry->vectors =
            std::make_shared<ScopeVectors>(static_cast<std::size_t>(model.dimensions), options_.graph_from);
    }
    entry->used = Clock::now();
    return entry;
}

void VectorIndex::make_room() {
    const std::lock_guard lock(mutex_);
    for (;;) {
        std::size_t bytes = 0;
        auto oldest = entries_.end();
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
            bytes += entry->second->vectors->bytes();
            const bool older = oldest == entries_.end() || entry->second->used < oldest->second->used;
            if (older && !entry->second->reading) oldest = entry;
        }
        if (bytes <= options_.max_bytes || entries_.size() < 2 || oldest == entries_.end()) return;
        entries_.erase(oldest);
    }
}

bool VectorIndex::claim_reading(Entry& entry) {
    const std::lock_guard lock(mutex_);
    const bool is_due = !options_.is_told && Clock::now() > entry.checked + kLookEvery;
    if (entry.reading || !(entry.changed || is_due)) return false;
    entry.reading = true;
    entry.changed = false; // what is said from now on may not be in what is read
    return true;
}

// One reader at a time. The first page is waited for, more of them are read in the background.
Task<void> VectorIndex::read(EmbeddingStore& store, EmbeddingModel model, std::int64_t scope_id,
                             std::shared_ptr<Entry> entry, bool all) {
    const auto dimensions = static_cast<std::size_t>(model.dimensions);
    const Executor executor = co_await asio::this_coro::executor;
    bool is_read = false;
    for (;;) {
        auto page = co_await store.vectors(scope_id, model.id, entry->read_to, kPage);
        if (!page) break;
        for (const ChunkVector& one : *page) {
            if (const auto vector = decode(one.vector, dimensions))
                entry->vectors->add(one.at.chunk_id, *vector);
            entry->read_to = one.at;
        }
        is_read = page->size() < static_cast<std::size_t>(kPage);
        if (is_read) break;
        make_room();
        if (!all) {
            spawn(executor, "vectors", [this, &store, model, scope_id, entry] {
                return read(store, model, scope_id, entry, true);
            });
            co_return;
        }
    }
    if (entry->vectors->claim_growth())
        spawn(executor, "graph", [this, grown = std::weak_ptr(entry)] { return grow(grown); });
    const std::lock_guard lock(mutex_);
    entry->checked = Clock::now();
    entry->reading = false;
    if (!is_read) entry->changed = true;
}

// Ends early where the scope is given up.
Task<void> VectorIndex::grow(std::weak_ptr<Entry> grown) {
    const Executor executor = co_await asio::this_coro::executor;
    const auto begun = Clock::now();
    Timer rest(executor);
    bool more = true;
    while (more) {
        const auto entry = grown.lock();
        if (!entry) co_return;
        const auto step = co_await searcher_.run(
            executor, kSearchLimit, [vectors = entry->vectors] { return vectors->grow(kGrowStep); },
            Lane::background);
        more = !step || *step;
        rest.expires_after(kGrowStep);
        co_await rest.async_wait(use_task);
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun).count();
    if (seconds > 0) log(Level::info, "vectors indexed", {{"seconds", std::int64_t{seconds}}});
    make_room();
}

Task<bool> VectorIndex::prepare(EmbeddingStore& store, const EmbeddingModel& model, ScopeIds scopes) {
    bool any = false;
    for (const std::int64_t scope_id : scopes) {
        if (scope_id == 0) continue;
        const auto entry = entry_of(model, scope_id);
        if (claim_reading(*entry)) co_await read(store, model, scope_id, entry, false);
        any = any || entry->vectors->size() > 0;
    }
    co_return any;
}

Task<Result<std::vector<Ranked>>> VectorIndex::nearest(EmbeddingStore& store, const EmbeddingModel& model,
                                                       ScopeIds scopes, Vector query, std::size_t most) {
    const bool any = co_await prepare(store, model, scopes);
    if (!any || query.values.size() != static_cast<std::size_t>(model.dimensions))
        co_return std::vector<Ranked>();
    std::vector<std::shared_ptr<ScopeVectors>> searched;
    std::size_t size = 0;
    for (const std::int64_t scope_id : scopes) {
        if (scope_id == 0) continue;
        searched.push_back(entry_of(model, scope_id)->vectors);
        size += searched.back()->size();
    }
    const bool is_few = size <= kFew;
    auto search = [searched = std::move(searched), query = std::move(query), most, is_few] {
        std::vector<Ranked> all;
        for (const auto& vectors : searched) {
            std::ranges::copy(is_few ? vectors->scan(query, most) : vectors->nearest(query, most),
                              std::back_inserter(all));
        }
        std::ranges::sort(all, [](const Ranked& left, const Ranked& right) {
            return left.score != right.score ? left.score > right.score : left.id < right.id;
        });
        if (all.size() > most) all.resize(most);
        return all;
    };
    if (is_few) co_return search();
    const Executor executor = co_await asio::this_coro::executor;
    co_return co_await searcher_.run(executor, kSearchLimit, std::move(search));
}

void VectorIndex::remove(ScopeIds scopes, const std::vector<std::int64_t>& chunk_ids) {
    const std::lock_guard lock(mutex_);
    for (const std::int64_t scope_id : scopes) {
        const auto found = entries_.find(scope_id);
        if (found == entries_.end()) continue;
        const bool is_worn = found->second->vectors->remove(chunk_ids);
        if (is_worn && !found->second->reading) entries_.erase(found);
    }
}

void VectorIndex::changed(std::int64_t scope_id) {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(scope_id); found != entries_.end()) found->second->changed = true;
}

void VectorIndex::all_changed() {
    const std::lock_guard lock(mutex_);
    for (const auto& [scope_id, entry] : entries_)
        entry->changed = true;
}

} // namespace npcchat
