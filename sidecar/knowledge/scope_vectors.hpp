// The vectors of one scope in memory: compared one by one, or through a graph where they are many.
#pragma once

#include "io/task.hpp"
#include "knowledge/fusion.hpp"
#include "knowledge/vector.hpp"
#include "knowledge/vector_graph.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <unordered_set>

namespace npcchat {

// Vectors in the order in which they came. One adds, and any number read what was there when they took a
// snapshot. The graph belongs to one thread, the searcher's; what it does not have yet is compared one by
// one, so that what nearest() finds never depends on how far the graph is.
class ScopeVectors {
  public:
    // A graph is made of so many vectors and more.
    ScopeVectors(std::size_t dimensions, std::size_t graph_from)
        : dimensions_(dimensions), graph_from_(graph_from) {}

    void add(std::int64_t chunk_id, const Vector& vector); // of as many dimensions
    std::size_t size() const;
    std::size_t bytes() const; // resident

    // These chunks are found no more. True where so many are gone that the scope is better read anew.
    bool remove(const std::vector<std::int64_t>& chunk_ids);

    // The nearest by cosine, best first; a chunk that came twice is given once. By any thread: takes time in
    // proportion to all.
    std::vector<Ranked> scan(const Vector& query, std::size_t most) const;

    // The same on the searcher's thread: approximate where there is a graph.
    std::vector<Ranked> nearest(const Vector& query, std::size_t most);

    // Whether grow() has something to do, and nobody does it: who is told so does it.
    bool claim_growth();
    // On the searcher's thread, for some `time`: puts vectors into the graph. False where none is left: then
    // the claim is given back.
    bool grow(Clock::duration time);

  private:
    static constexpr std::size_t kBlock = 16384;
    // What of a block is not used yet takes no memory.
    struct Block {
        explicit Block(std::size_t record_bytes);
        std::array<std::int64_t, kBlock> ids;
        std::unique_ptr<std::byte[], decltype(&std::free)> records;
    };
    using Gone = std::unordered_set<std::int64_t>;
    struct Snapshot {
        std::vector<std::shared_ptr<Block>> blocks;
        std::size_t size = 0;
        std::shared_ptr<const Gone> gone;
    };
    Snapshot snapshot() const;
    const std::byte* record(const Snapshot& all, std::size_t number) const;
    std::vector<Ranked> search(const Snapshot& all, const Vector& query, std::size_t from,
                               std::vector<Ranked> found, std::size_t most) const;
    std::vector<Ranked> search_graph(const Snapshot& all, const Vector& query, std::size_t most);

    const std::size_t dimensions_;
    const std::size_t graph_from_;
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<Block>> blocks_; // all but the last are full
    std::size_t size_ = 0;
    std::shared_ptr<const Gone> gone_ = std::make_shared<Gone>();
    std::atomic<bool> growing_ = false;
    std::atomic<std::size_t> in_graph_ = 0;
    std::atomic<bool> no_graph_ = false; // memory was out
    std::unique_ptr<VectorGraph> graph_; // the searcher's
};

} // namespace npcchat
