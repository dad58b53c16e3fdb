// The vectors of scopes in memory, and what is nearest in them. Shared by all loops.
#pragma once

#include "io/worker.hpp"
#include "knowledge/embedding_store.hpp"
#include "knowledge/scope_cache.hpp"
#include "knowledge/scope_vectors.hpp"
#include "knowledge/search_metrics.hpp"

namespace npcchat {

class VectorIndex {
  public:
    // Scopes of so many vectors and more are searched through a graph. Below, comparing all takes two
    // milliseconds at most.
    static constexpr std::size_t kGraphFrom = 50'000;

    explicit VectorIndex(ScopeCacheOptions options) : cache_(options) {}

    // Nearest chunks of the scopes, best first; by a thread of its own where they are many. A large scope
    // that nobody has searched before is read in the background, and has nothing until then. Chunks may be
    // gone meanwhile: see remove(). `model` is the newest, that the query was embedded by.
    Task<Result<std::vector<Ranked>>> nearest(EmbeddingStore& store, const EmbeddingModel& model,
                                              ScopeIds scopes, Vector query, std::size_t most);

    // Whether there is something to search, as far as is known: spares embedding a query for nothing.
    Task<bool> prepare(EmbeddingStore& store, const EmbeddingModel& model, ScopeIds scopes);

    // Chunks that were found, and are gone: they are found no more.
    void remove(ScopeIds scopes, const std::vector<std::int64_t>& chunk_ids) {
        cache_.remove(scopes, chunk_ids);
    }

    // Something was embedded in the scope, or may have been in any.
    void changed(std::int64_t scope_id) { cache_.changed(scope_id); }
    void all_changed() { cache_.all_changed(); }

    // Of nearest(), without reading what is searched.
    const SearchMetrics& metrics() const { return metrics_; }

    void stop() { searcher_.stop(); } // see Worker::stop

  private:
    using Cache = ScopeCache<ScopeVectors, VectorCursor>;
    std::shared_ptr<Cache::Entry> entry_of(const EmbeddingModel& model, std::int64_t scope_id);
    Task<void> read(EmbeddingStore& store, EmbeddingModel model, std::int64_t scope_id,
                    std::shared_ptr<Cache::Entry> entry, bool all);
    Task<void> grow(std::weak_ptr<Cache::Entry> grown);

    Cache cache_;
    SearchMetrics metrics_;
    Worker searcher_{4096};
};

} // namespace npcchat
