#include "knowledge/vector_index.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <iterator>
#include <unordered_set>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr auto kFreshFor = 1s;
constexpr int kPage = 2000;
constexpr auto kSearchLimit = 2s;

// Keeps the best of many.
class Best {
  public:
    explicit Best(std::size_t most) : most_(most) {}

    void offer(std::int64_t id, double score) {
        if (found_.size() == most_ && score <= found_.front().score) return;
        if (found_.size() == most_) {
            std::ranges::pop_heap(found_, worse_first);
            found_.pop_back();
        }
        found_.push_back({id, score});
        std::ranges::push_heap(found_, worse_first);
    }

    std::vector<Ranked> take() {
        std::ranges::sort(found_, worse_first);
        std::unordered_set<std::int64_t> seen;
        std::erase_if(found_, [&](const Ranked& one) { return !seen.insert(one.id).second; });
        return std::move(found_);
    }

  private:
    static bool worse_first(const Ranked& left, const Ranked& right) {
        return left.score != right.score ? left.score > right.score : left.id < right.id;
    }
    std::size_t most_;
    std::vector<Ranked> found_; // a heap with the worst in front
};

} // namespace

void ScopeVectors::add(std::int64_t chunk_id, const Vector& vector) {
    const std::lock_guard lock(mutex_);
    const std::size_t at = size_ % kBlock;
    if (at == 0) blocks_.push_back(std::make_shared<Block>(dimensions_));
    Block& block = *blocks_.back();
    block.ids[at] = chunk_id;
    block.scales[at] = vector.scale;
    std::ranges::copy(vector.values, block.values.begin() + static_cast<std::ptrdiff_t>(at * dimensions_));
    ++size_;
}

std::size_t ScopeVectors::size() const {
    const std::lock_guard lock(mutex_);
    return size_;
}

std::vector<Ranked> ScopeVectors::nearest(const Vector& query, std::size_t most) const {
    std::vector<std::shared_ptr<Block>> blocks;
    std::size_t size = 0;
    {
        const std::lock_guard lock(mutex_);
        blocks = blocks_;
        size = size_;
    }
    Best best(most);
    for (std::size_t i = 0; i < size; ++i) {
        const Block& block = *blocks[i / kBlock];
        const std::size_t at = i % kBlock;
        const std::int32_t product =
            dot(query.values.data(), block.values.data() + at * dimensions_, dimensions_);
        best.offer(block.ids[at], static_cast<double>(product) * query.scale * block.scales[at]);
    }
    return best.take();
}

std::shared_ptr<VectorIndex::Entry> VectorIndex::entry_of(const EmbeddingModel& model,
                                                          std::int64_t scope_id) {
    const std::lock_guard lock(mutex_);
    if (model.id != model_id_) entries_.clear();
    model_id_ = model.id;
    auto& entry = entries_[scope_id];
    if (!entry) {
        entry = std::make_shared<Entry>();
        entry->vectors = std::make_shared<ScopeVectors>(static_cast<std::size_t>(model.dimensions));
    }
    entry->used = Clock::now();
    return entry;
}

void VectorIndex::make_room(std::size_t dimensions) {
    const std::lock_guard lock(mutex_);
    for (;;) {
        std::size_t bytes = 0;
        auto oldest = entries_.end();
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
            bytes += entry->second->vectors->size() * (dimensions + sizeof(float) + sizeof(std::int64_t));
            const bool older = oldest == entries_.end() || entry->second->used < oldest->second->used;
            if (older && !entry->second->reading) oldest = entry;
        }
        if (bytes <= max_bytes_ || entries_.size() < 2 || oldest == entries_.end()) return;
        entries_.erase(oldest);
    }
}

// One reader at a time. The first page is waited for, more of them are read in the background.
Task<void> VectorIndex::read(EmbeddingStore& store, EmbeddingModel model, std::int64_t scope_id,
                             std::shared_ptr<Entry> entry, bool all) {
    const auto dimensions = static_cast<std::size_t>(model.dimensions);
    for (;;) {
        auto page = co_await store.vectors(scope_id, model.id, entry->read_to, kPage);
        if (!page) break;
        for (const ChunkVector& one : *page) {
            if (const auto vector = decode(one.vector, dimensions))
                entry->vectors->add(one.at.chunk_id, *vector);
            entry->read_to = one.at;
        }
        if (page->size() < static_cast<std::size_t>(kPage)) break;
        make_room(dimensions);
        if (!all) {
            const Executor executor = co_await asio::this_coro::executor;
            spawn(executor, "vectors", [this, &store, model, scope_id, entry] {
                return read(store, model, scope_id, entry, true);
            });
            co_return;
        }
    }
    const std::lock_guard lock(mutex_);
    entry->checked = Clock::now();
    entry->reading = false;
}

Task<bool> VectorIndex::prepare(EmbeddingStore& store, const EmbeddingModel& model, ScopeIds scopes) {
    bool any = false;
    for (const std::int64_t scope_id : scopes) {
        if (scope_id == 0) continue;
        const auto entry = entry_of(model, scope_id);
        bool stale = false;
        {
            const std::lock_guard lock(mutex_);
            stale = !entry->reading && Clock::now() > entry->checked + kFreshFor;
            if (stale) entry->reading = true;
        }
        if (stale) co_await read(store, model, scope_id, entry, false);
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
    for (const std::int64_t scope_id : scopes) {
        if (scope_id != 0) searched.push_back(entry_of(model, scope_id)->vectors);
    }
    const Executor executor = co_await asio::this_coro::executor;
    co_return co_await searcher_.run(
        executor, kSearchLimit, [searched = std::move(searched), query = std::move(query), most] {
            std::vector<Ranked> all;
            for (const auto& vectors : searched)
                std::ranges::copy(vectors->nearest(query, most), std::back_inserter(all));
            std::ranges::sort(all, [](const Ranked& left, const Ranked& right) {
                return left.score != right.score ? left.score > right.score : left.id < right.id;
            });
            if (all.size() > most) all.resize(most);
            return all;
        });
}

void VectorIndex::forget(std::int64_t scope_id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(scope_id);
    if (found != entries_.end() && !found->second->reading) entries_.erase(found);
}

} // namespace npcchat
