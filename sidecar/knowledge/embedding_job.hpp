// Embeds what was added, in the background: one job a process, and one process at a time.
#pragma once

#include "knowledge/embedder.hpp"
#include "knowledge/embedding_store.hpp"

#include <mutex>

namespace npcchat {

// What the job knows of the embedder and its model. Shared by all loops.
class EmbeddingState {
  public:
    enum class Phase {
        off,     // there is no EMBED_URL
        unknown, // it has not answered yet
        changed, // it has another model than the vectors are of: words alone, until /reindex/
        ready
    };
    struct View {
        Phase phase = Phase::off;
        EmbeddingModel model;     // that the vectors are of; where ready, the embedder's too
        EmbeddingModel offered;   // the embedder's
        double unrelated = -1;    // cosines below have no meaning in it; see relevance.hpp
        bool in_database = false; // PostgreSQL has all vectors of `model` in pgvector, and searches them
        std::string trouble;      // what keeps the job from working; empty: nothing
    };

    View view() const;
    void set(View view);
    void set_trouble(std::string trouble);

    // Queries are not embedded for a while after one has failed.
    bool may_ask() const;
    void asked_in_vain();

  private:
    mutable std::mutex mutex_;
    View view_;
    Clock::time_point ask_again_{};
};

class EmbeddingJob {
  public:
    EmbeddingJob(Executor executor, Embedder& embedder, EmbeddingStore& store, EmbeddingState& state);

    // Never returns. Does nothing where there is no embedder.
    Task<void> run();

  private:
    Task<bool> meet_embedder();
    Task<bool> agree_on_model();
    Task<Result<bool>> work();
    Task<Result<bool>> move_to_pgvector(const EmbeddingModel& model);
    Task<Result<void>> embed_some(std::vector<UnembeddedChunk> chunks, std::vector<EmbeddedText>& embedded);
    Task<void> renew_lease();

    Executor executor_;
    Embedder& embedder_;
    EmbeddingStore& store_;
    EmbeddingState& state_;
    std::string token_;
    std::int64_t asked_pgvector_for_ = 0;   // a model's id
    std::optional<std::int64_t> copied_to_; // the last chunk that pgvector was given; nothing: all, or none
};

// Asks the embedder what it has: sets `offered` and `unrelated`.
Task<Result<void>> ask_for_model(Embedder& embedder, EmbeddingState::View& view);

} // namespace npcchat
