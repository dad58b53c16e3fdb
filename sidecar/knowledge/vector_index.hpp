// The vectors of scopes in memory, and what is nearest in them. Shared by all loops.
#pragma once

#include "io/worker.hpp"
#include "knowledge/embedding_store.hpp"
#include "knowledge/fusion.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace npcchat {

// Vectors of one scope, in the order in which they came. One adds, and any number read what was there when
// they took a snapshot.
class ScopeVectors {
  public:
    explicit ScopeVectors(std::size_t dimensions) : dimensions_(dimensions) {}

    void add(std::int64_t chunk_id, const Vector& vector); // of as many dimensions
    std::size_t size() const;

    // The nearest by cosine, best first; a chunk that came twice is given once. Takes time in proportion to
    // all.
    std::vector<Ranked> nearest(const Vector& query, std::size_t most) const;

  private:
    static constexpr std::size_t kBlock = 4096;
    struct Block {
        explicit Block(std::size_t dimensions) : values(kBlock * dimensions) {}
        std::array<std::int64_t, kBlock> ids;
        std::array<float, kBlock> scales;
        std::vector<std::int8_t> values;
    };

    const std::size_t dimensions_;
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<Block>> blocks_; // all but the last are full
    std::size_t size_ = 0;
};

class VectorIndex {
  public:
    // `max_bytes`: what all scopes together may take; those that were not used for longest are given up.
    explicit VectorIndex(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    // Nearest chunks of the scopes, best first, by a thread of its own. What was embedded until a second ago
    // is there; a large scope that nobody has searched before is read in the background, and has nothing
    // until then. Chunks may be gone meanwhile. `model` is the newest, that the query was embedded by.
    Task<Result<std::vector<Ranked>>> nearest(EmbeddingStore& store, const EmbeddingModel& model,
                                              ScopeIds scopes, Vector query, std::size_t most);

    // Whether there is something to search, as far as is known: spares embedding a query for nothing.
    Task<bool> prepare(EmbeddingStore& store, const EmbeddingModel& model, ScopeIds scopes);

    // Has a scope read anew, where much of what it has is gone.
    void forget(std::int64_t scope_id);

    void stop() { searcher_.stop(); } // see Worker::stop

  private:
    struct Entry {
        std::shared_ptr<ScopeVectors> vectors;
        VectorCursor read_to;
        Clock::time_point checked{};
        Clock::time_point used{};
        bool reading = false;
    };
    std::shared_ptr<Entry> entry_of(const EmbeddingModel& model, std::int64_t scope_id);
    Task<void> read(EmbeddingStore& store, EmbeddingModel model, std::int64_t scope_id,
                    std::shared_ptr<Entry> entry, bool all);
    void make_room(std::size_t dimensions);

    const std::size_t max_bytes_;
    std::mutex mutex_;
    std::int64_t model_id_ = 0;
    std::unordered_map<std::int64_t, std::shared_ptr<Entry>> entries_; // by scope
    Worker searcher_{4096};
};

} // namespace npcchat
