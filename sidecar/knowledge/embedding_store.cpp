#include "knowledge/embedding_store.hpp"

#include "knowledge/best.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace npcchat {
namespace {

using db::Row;
using db::Rows;
using db::to_integer;

constexpr std::string_view kSelectModel =
    "SELECT id, name, dimensions FROM embedding_models ORDER BY id DESC LIMIT 1";
constexpr std::string_view kInsertModel =
    "INSERT INTO embedding_models (id, name, dimensions, created) "
    "SELECT coalesce(max(id), 0) + 1, $1, $2, now_ms() FROM embedding_models RETURNING id";
constexpr std::string_view kTakeLease = "UPDATE embedding_lease SET token = $1, until = now_ms() + $2 "
                                        "WHERE id = 1 AND (token = $1 OR until < now_ms()) RETURNING id";
// As a join it might be begun at the other end, with all documents.
#define IS_FOUND "(SELECT d.state FROM documents d WHERE d.document_id = c.document_id) = 1"
constexpr std::string_view kSelectWaiting =
    "SELECT c.id, c.scope_id, c.digest, c.heading, c.text FROM chunks c WHERE c.model_id < $1 AND " IS_FOUND
    " ORDER BY c.model_id, c.id LIMIT $2";
constexpr std::string_view kSelectKnown = "SELECT 1 FROM vectors WHERE digest = $2 AND model_id = $1";
constexpr std::string_view kInsertVector = "INSERT INTO vectors (digest, model_id, vector) "
                                           "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
constexpr std::string_view kTouchScope = "UPDATE scopes SET stamp = stamp + 1 WHERE id = $1";
constexpr std::string_view kMarkEmbedded =
    "UPDATE chunks SET model_id = $2, stamp = coalesce((SELECT s.stamp FROM scopes s "
    "WHERE s.id = chunks.scope_id), 0) WHERE id = $1";
constexpr std::string_view kNotify = "SELECT pg_notify($1, CAST($2 AS text))";
constexpr std::string_view kSelectVectors =
    "SELECT c.stamp, c.id, v.vector FROM chunks c "
    "JOIN vectors v ON v.digest = c.digest AND v.model_id = $2 "
    "WHERE c.scope_id = $1 AND c.model_id = $2 AND (c.stamp, c.id) > ($3, $4) "
    "ORDER BY c.stamp, c.id LIMIT $5";
// See sql/postgresql/0014_pgvector.sql.
constexpr std::string_view kUsePgvector = "SELECT use_pgvector($1, $2)";
constexpr std::string_view kCopyToPgvector = "SELECT copy_to_pgvector($1, $2, $3)";
constexpr std::string_view kNearChunks = "SELECT chunk_id, cosine FROM near_chunks($1, $2, $3, $4)";
// Uploads that broke off wait for nothing.
constexpr std::string_view kCount = "SELECT (SELECT coalesce(sum(documents), 0) FROM scopes), "
                                    "(SELECT count(*) FROM chunks WHERE model_id >= $1), "
                                    "(SELECT count(*) FROM chunks c WHERE c.model_id < $1 AND " IS_FOUND ")";
#undef IS_FOUND
constexpr std::string_view kDeleteFormer =
    "DELETE FROM vectors WHERE model_id < $1 AND digest IN "
    "(SELECT o.digest FROM vectors o WHERE o.model_id < $1 LIMIT 200) RETURNING model_id";

Result<void> done(const Result<std::vector<Rows>>& results) {
    if (!results) return std::unexpected(results.error());
    return {};
}

} // namespace

Task<Result<std::optional<EmbeddingModel>>> EmbeddingStore::current_model() {
    auto rows = co_await run_one(read_, kSelectModel, {});
    co_return map(std::move(rows), [](const Rows& found) -> std::optional<EmbeddingModel> {
        if (found.empty()) return std::nullopt;
        const Row& row = found.front();
        return EmbeddingModel{to_integer(row[0]), row[1].value_or(""), to_integer(row[2])};
    });
}

Task<Result<EmbeddingModel>> EmbeddingStore::use_model(std::string name, std::int64_t dimensions) {
    auto rows = co_await run_one(written_, kInsertModel, {name, dimensions});
    co_return map(std::move(rows), [&](const Rows& found) {
        return EmbeddingModel{to_integer(found.front()[0]), std::move(name), dimensions};
    });
}

Task<Result<bool>> EmbeddingStore::take_lease(std::string token, Millis millis) {
    auto rows = co_await run_one(written_, kTakeLease, {std::move(token), millis});
    co_return map(std::move(rows), [](const Rows& found) { return !found.empty(); });
}

Task<Result<std::vector<UnembeddedChunk>>> EmbeddingStore::waiting(std::int64_t model_id, int most) {
    auto rows = co_await run_one(read_, kSelectWaiting, {model_id, std::int64_t{most}});
    co_return map(std::move(rows), [](const Rows& found) {
        std::vector<UnembeddedChunk> chunks;
        for (const Row& row : found) {
            const std::string heading = row[3].value_or("");
            chunks.push_back({to_integer(row[0]), to_integer(row[1]), row[2].value_or(""),
                              (heading.empty() ? heading : heading + "\n") + row[4].value_or("")});
        }
        return chunks;
    });
}

Task<Result<std::vector<bool>>> EmbeddingStore::known(std::int64_t model_id,
                                                      const std::vector<std::string>& digests) {
    std::vector<db::Statement> batch;
    for (const std::string& digest : digests)
        batch.push_back({kSelectKnown, {model_id, digest}});
    auto results = co_await read_.run(std::move(batch));
    co_return map(std::move(results), [](const std::vector<Rows>& all) {
        std::vector<bool> known;
        for (const Rows& rows : all)
            known.push_back(!rows.empty());
        return known;
    });
}

Task<Result<void>> EmbeddingStore::store(std::int64_t model_id, std::vector<EmbeddedText> texts,
                                         const std::vector<UnembeddedChunk>& chunks) {
    // In two steps, which keep others waiting for less long. Vectors without chunks do no harm.
    std::vector<db::Statement> vectors;
    for (EmbeddedText& text : texts)
        vectors.push_back({kInsertVector, {std::move(text.digest), model_id, std::move(text.vector)}});
    if (!vectors.empty()) {
        const auto stored = co_await written_.run(std::move(vectors));
        if (!stored) co_return done(stored);
    }
    std::vector<db::Statement> batch;
    std::set<std::int64_t> scopes; // in order: who changes several waits for nobody who waits for him
    for (const UnembeddedChunk& chunk : chunks)
        scopes.insert(chunk.scope_id);
    for (const std::int64_t scope_id : scopes)
        batch.push_back({kTouchScope, {scope_id}});
    for (const UnembeddedChunk& chunk : chunks)
        batch.push_back({kMarkEmbedded, {chunk.id, model_id}});
    if (written_.dialect() == db::Dialect::postgresql) {
        for (const std::int64_t scope_id : scopes)
            batch.push_back({kNotify, {std::string(kChangesChannel), scope_id}});
    }
    const auto results = co_await written_.run(std::move(batch));
    co_return done(results);
}

Task<Result<std::vector<ChunkVector>>> EmbeddingStore::vectors(std::int64_t scope_id, std::int64_t model_id,
                                                               VectorCursor after, int most) {
    auto rows = co_await run_one(read_, kSelectVectors,
                                 {scope_id, model_id, after.stamp, after.chunk_id, std::int64_t{most}});
    co_return map(std::move(rows), [](const Rows& found) {
        std::vector<ChunkVector> vectors;
        for (const Row& row : found)
            vectors.push_back({{to_integer(row[0]), to_integer(row[1])}, row[2].value_or("")});
        return vectors;
    });
}

Task<Result<bool>> EmbeddingStore::use_pgvector(const EmbeddingModel& model) {
    if (written_.dialect() != db::Dialect::postgresql) co_return false;
    auto rows = co_await run_one(written_, kUsePgvector, {model.id, model.dimensions});
    co_return map(std::move(rows), [](const Rows& found) { return to_integer(found.front()[0]) == 1; });
}

Task<Result<std::optional<std::int64_t>>> EmbeddingStore::copy_to_pgvector(std::int64_t model_id,
                                                                           std::int64_t after, int most) {
    auto rows = co_await run_one(written_, kCopyToPgvector, {model_id, after, std::int64_t{most}});
    co_return map(std::move(rows), [](const Rows& found) -> std::optional<std::int64_t> {
        const auto& last = found.front()[0];
        if (!last) return std::nullopt;
        return to_integer(last);
    });
}

Task<Result<std::vector<Ranked>>> EmbeddingStore::nearest(std::int64_t model_id, ScopeIds scopes,
                                                          const Vector& query, std::size_t most) {
    std::vector<db::Statement> batch;
    for (const std::int64_t scope_id : scopes) {
        if (scope_id == 0) continue;
        batch.push_back({kNearChunks, {model_id, scope_id, encode(query), static_cast<std::int64_t>(most)}});
    }
    auto results = co_await read_.run(std::move(batch));
    co_return map(std::move(results), [most](const std::vector<Rows>& all) {
        std::vector<std::vector<Ranked>> lists;
        for (const Rows& rows : all) {
            auto& list = lists.emplace_back();
            for (const Row& row : rows)
                list.push_back({to_integer(row[0]), std::strtod(row[1].value_or("0").c_str(), nullptr)});
        }
        return merge_best(lists, most);
    });
}

Task<Result<EmbeddingCounts>> EmbeddingStore::counts(std::int64_t model_id) {
    auto rows = co_await run_one(read_, kCount, {model_id});
    co_return map(std::move(rows), [](const Rows& found) {
        const Row& row = found.front();
        const std::int64_t waiting = to_integer(row[2]);
        return EmbeddingCounts{to_integer(row[0]), to_integer(row[1]) + waiting, waiting};
    });
}

Task<Result<bool>> EmbeddingStore::sweep(std::int64_t model_id) {
    auto rows = co_await run_one(written_, kDeleteFormer, {model_id});
    co_return map(std::move(rows), [](const Rows& found) { return !found.empty(); });
}

} // namespace npcchat
