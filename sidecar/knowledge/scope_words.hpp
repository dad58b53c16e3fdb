// The words of one scope's chunks in memory, and which chunks fit a question best by them.
#pragma once

#include "knowledge/fusion.hpp"
#include "knowledge/lexemes.hpp"

#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace npcchat {

// An inverted index. For any number of threads.
class ScopeWords {
  public:
    // Each chunk once.
    void add(std::int64_t chunk_id, const std::vector<CountedWord>& words);
    std::size_t size() const;  // of chunks
    std::size_t bytes() const; // resident, about

    // These chunks are found no more. True where so many are gone that the scope is better read anew.
    bool remove(const std::vector<std::int64_t>& chunk_ids);

    // The chunks of all `scopes` that have any of the words, best first by BM25 (k1 1.2, b 0.75) as if they
    // were one. Takes time in proportion to how often the words occur: common ones are passed over where
    // the rare ones occur often enough.
    static std::vector<Ranked> best(const std::vector<std::shared_ptr<ScopeWords>>& scopes,
                                    std::vector<std::uint64_t> words, std::size_t most);

  private:
    struct Term {
        std::uint64_t word = 0;
        std::size_t chunks = 0; // of all scopes, that have it
        double weight = 0;
    };
    void count(std::vector<Term>& terms) const;
    std::vector<Ranked> rank(const std::vector<Term>& terms, double mean, std::size_t most) const;

    mutable std::mutex mutex_;
    std::vector<std::int64_t> ids_;      // by a chunk's number
    std::vector<std::uint32_t> lengths_; // the same: how many words it has
    std::size_t words_ = 0;              // of all chunks together
    std::size_t postings_count_ = 0;
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> postings_; // of a word, by number
    std::unordered_set<std::int64_t> gone_;
};

} // namespace npcchat
