// The words of scopes in memory, and which chunks fit a question by them. Shared by all loops.
#pragma once

#include "io/worker.hpp"
#include "knowledge/scope_cache.hpp"
#include "knowledge/scope_words.hpp"
#include "knowledge/search_metrics.hpp"

namespace npcchat {

class WordIndex {
  public:
    explicit WordIndex(ScopeCacheOptions options) : cache_(options) {}

    // The chunks that have any of the question's words, best first by BM25; by a thread of its own where
    // the scopes are large. What was added before is found; of a large scope that nobody has searched for
    // long, only what can be read in half a second, until all of it is.
    Task<Result<std::vector<Passage>>> search(DocumentStore& store, ScopeIds scopes, std::string question,
                                              int most);

    // Something was added to the scope, or may have been to any.
    void changed(std::int64_t scope_id) { cache_.changed(scope_id); }
    void all_changed() { cache_.all_changed(); }

    // Of ranking, without the database.
    const SearchMetrics& metrics() const { return metrics_; }

    void stop() { searcher_.stop(); } // see Worker::stop

  private:
    using Cache = ScopeCache<ScopeWords, WordCursor>;
    using Contents = std::vector<std::shared_ptr<ScopeWords>>;
    Task<Result<Contents>> contents(DocumentStore& store, ScopeIds scopes);
    Task<Result<void>> catch_up(DocumentStore& store, std::int64_t scope_id,
                                std::shared_ptr<Cache::Entry> entry);
    Task<Result<void>> read(DocumentStore& store, std::int64_t scope_id, std::shared_ptr<Cache::Entry> entry,
                            Clock::time_point patient_until);
    Task<Result<std::vector<Ranked>>> rank(Contents scopes, std::vector<std::uint64_t> words,
                                           std::size_t most);

    Cache cache_;
    SearchMetrics metrics_;
    Worker searcher_{4096};
};

} // namespace npcchat
