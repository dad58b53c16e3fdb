// Chunks' vectors in the catalog's database, and which chunks still need one.
#pragma once

#include "knowledge/document_store.hpp"
#include "knowledge/fusion.hpp"
#include "knowledge/vector.hpp"

namespace npcchat {

struct EmbeddingModel {
    std::int64_t id = 0;
    std::string name; // empty where the embedder does not say
    std::int64_t dimensions = 0;
};

struct UnembeddedChunk {
    std::int64_t id = 0;
    std::int64_t scope_id = 0;
    std::string digest;
    std::string text; // heading and text: what is embedded
};

struct EmbeddedText {
    std::string digest;
    std::string vector; // encoded
};

// A place in the order in which a scope's chunks got their vectors.
struct VectorCursor {
    std::int64_t stamp = 0;
    std::int64_t chunk_id = 0;
};

struct ChunkVector {
    VectorCursor at;
    std::string vector; // encoded
};

struct EmbeddingCounts {
    std::int64_t documents = 0;
    std::int64_t chunks = 0;
    std::int64_t waiting = 0; // chunks that are not embedded yet
};

// Every function answers 503 where the database does.
class EmbeddingStore {
  public:
    static constexpr const char* kChangesChannel = "npcchat_vectors";

    // The same database twice, for what can wait: what is written, and what is read.
    EmbeddingStore(db::Database& written, db::Database& read) : written_(written), read_(read) {}

    // The newest; nothing, where none was ever used.
    Task<Result<std::optional<EmbeddingModel>>> current_model();
    // From now on all chunks wait to be embedded by this one.
    Task<Result<EmbeddingModel>> use_model(std::string name, std::int64_t dimensions);

    // Whether the holder of `token` is the one who embeds, for the next `millis`.
    Task<Result<bool>> take_lease(std::string token, Millis millis);

    // Some that wait, oldest first.
    Task<Result<std::vector<UnembeddedChunk>>> waiting(std::int64_t model_id, int most);
    // Which of the texts have a vector of this model already.
    Task<Result<std::vector<bool>>> known(std::int64_t model_id, const std::vector<std::string>& digests);
    // Stores the vectors, and then that the chunks wait no more. A chunk whose text has no vector will be
    // found by its words alone. On PostgreSQL, kChangesChannel hears the ids of the chunks' scopes.
    Task<Result<void>> store(std::int64_t model_id, std::vector<EmbeddedText> texts,
                             const std::vector<UnembeddedChunk>& chunks);

    // The scope's vectors of this model, in their order, after the cursor.
    Task<Result<std::vector<ChunkVector>>> vectors(std::int64_t scope_id, std::int64_t model_id,
                                                   VectorCursor after, int most);

    // PostgreSQL searches by itself where its operator has created pgvector's extension. Whether it can; what
    // is embedded by this model from now on is put into its index then.
    Task<Result<bool>> use_pgvector(const EmbeddingModel& model);
    // Puts some there that were embedded before, those after this chunk. The last of them; nothing, where
    // none is left.
    Task<Result<std::optional<std::int64_t>>> copy_to_pgvector(std::int64_t model_id, std::int64_t after,
                                                               int most);
    // What it finds nearest in the scopes, best first.
    Task<Result<std::vector<Ranked>>> nearest(std::int64_t model_id, ScopeIds scopes, const Vector& query,
                                              std::size_t most);

    Task<Result<EmbeddingCounts>> counts(std::int64_t model_id);
    // Takes some vectors of former models away; false where none is left.
    Task<Result<bool>> sweep(std::int64_t model_id);

  private:
    db::Database& written_;
    db::Database& read_;
};

} // namespace npcchat
