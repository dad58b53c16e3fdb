// The vectors of scopes in memory, and what is nearest in them. Shared by all loops.
#pragma once

#include "io/worker.hpp"
#include "knowledge/embedding_store.hpp"
#include "knowledge/scope_vectors.hpp"

#include <memory>
#include <mutex>
#include <unordered_map>

namespace npcchat {

struct VectorIndexOptions {
    // What all scopes together may take in memory; those that were not used for longest are given up.
    std::size_t max_bytes = std::size_t{1} << 30;
    // Whether changed() says what was embedded; if not, the store is looked at once a second.
    bool is_told = false;
    // Scopes of so many vectors and more are searched through a graph. Below, comparing all takes no longer
    // than a millisecond.
    std::size_t graph_from = 30'000;
};

class VectorIndex {
  public:
    explicit VectorIndex(VectorIndexOptions options) : options_(options) {}

    // Nearest chunks of the scopes, best first; by a thread of its own where they are many. A large scope
    // that nobody has searched before is read in the background, and has nothing until then. Chunks may be
    // gone meanwhile: see remove(). `model` is the newest, that the query was embedded by.
    Task<Result<std::vector<Ranked>>> nearest(EmbeddingStore& store, const EmbeddingModel& model,
                                              ScopeIds scopes, Vector query, std::size_t most);

    // Whether there is something to search, as far as is known: spares embedding a query for nothing.
    Task<bool> prepare(EmbeddingStore& store, const EmbeddingModel& model, ScopeIds scopes);

    // Chunks that were found, and are gone: they are found no more.
    void remove(ScopeIds scopes, const std::vector<std::int64_t>& chunk_ids);

    // Something was embedded in the scope, or may have been in any.
    void changed(std::int64_t scope_id);
    void all_changed();

    void stop() { searcher_.stop(); } // see Worker::stop

  private:
    struct Entry {
        std::shared_ptr<ScopeVectors> vectors;
        VectorCursor read_to;
        Clock::time_point checked{};
        Clock::time_point used{};
        bool reading = false;
        bool changed = true;
    };
    std::shared_ptr<Entry> entry_of(const EmbeddingModel& model, std::int64_t scope_id);
    bool claim_reading(Entry& entry);
    Task<void> read(EmbeddingStore& store, EmbeddingModel model, std::int64_t scope_id,
                    std::shared_ptr<Entry> entry, bool all);
    Task<void> grow(std::weak_ptr<Entry> grown);
    void make_room();

    const VectorIndexOptions options_;
    std::mutex mutex_;
    std::int64_t model_id_ = 0;
    std::unordered_map<std::int64_t, std::shared_ptr<Entry>> entries_; // by scope
    Worker searcher_{4096};
};

} // namespace npcchat
