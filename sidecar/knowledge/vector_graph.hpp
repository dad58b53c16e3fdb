// Approximate search among many vectors: a graph of near neighbours (HNSW; Malkov, Yashunin 2018).
#pragma once

#include "knowledge/vector.hpp"

#include <memory>
#include <vector>

namespace npcchat {

// Used by one thread at a time.
class VectorGraph {
  public:
    // Resident bytes for each vector, beside the vector itself.
    static constexpr std::size_t kBytesPerVector = 256;

    struct Neighbour {
        std::size_t number = 0;
        double cosine = 0;
    };

    explicit VectorGraph(std::size_t dimensions);
    ~VectorGraph();
    VectorGraph(const VectorGraph&) = delete;
    VectorGraph& operator=(const VectorGraph&) = delete;

    std::size_t size() const; // removed ones included

    // The record (see vector.hpp) stays where it is as long as the graph lives. Its number is what size() was
    // before. Throws std::bad_alloc or std::runtime_error where memory is out: what was added so far stays.
    void add(const std::byte* record);
    // It is found no more; to be called once for each.
    void remove(std::size_t number);

    // Best first, by cosine. Finds some 99 of 100 that an exact search finds.
    std::vector<Neighbour> nearest(const std::byte* query, std::size_t most) const;

  private:
    struct Hnsw;
    std::unique_ptr<Hnsw> hnsw_;
};

} // namespace npcchat
