#include "knowledge/document_store.hpp"

#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/pause.hpp"
#include "knowledge/chunker.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace npcchat {
namespace {

using db::Row;
using db::Rows;
using db::to_integer;

struct Pace {
    std::size_t step = 0; // bytes of chunks that are written in one transaction
    int rest = 0; // then chats have database and processor to themselves for so many times as long as it took
};
constexpr Pace kSqlitePace{2 * 1024, 40}; // all others wait for a transaction
constexpr Pace kPostgresPace{8 * 1024, 24};
constexpr auto kMaxRest = std::chrono::milliseconds(100);
// An upload that has rested so long in all rests as long as a step took: a large one has to end, too.
constexpr auto kLongRest = std::chrono::seconds(4);
constexpr Millis kAbandoned = 10 * 60'000; // a document that was not whole by then never will be

constexpr std::string_view kMakeScope =
    "INSERT INTO scopes (name, owner_id) SELECT $1, u.id FROM users u WHERE u.id = $2 "
    "ON CONFLICT (name) DO NOTHING";
constexpr std::string_view kMakeNpcScope =
    "INSERT INTO scopes (name, owner_id, npc_id) SELECT $1, n.owner_id, n.npc_id FROM npcs n "
    "WHERE n.npc_id = $2 ON CONFLICT (name) DO NOTHING";
// Two who change a scope wait for each other here.
constexpr std::string_view kLockScope = "UPDATE scopes SET stamp = stamp + 1 WHERE name = $1 RETURNING id";

#define HAS_SAME                                                                                             \
    "EXISTS (SELECT 1 FROM documents o WHERE o.scope_id = s.id AND o.digest = $2 AND o.state = 1)"
constexpr std::string_view kInsertDocument =
    "INSERT INTO documents (document_id, scope_id, digest, title, source, metadata, bytes, chunks, state, "
    "created, text) SELECT $3, s.id, $2, $4, $5, $6, $7, $8, 0, now_ms(), $9 FROM scopes s "
    "WHERE s.name = $1 AND NOT " HAS_SAME;
constexpr std::string_view kPublish =
    "UPDATE documents SET state = CASE WHEN EXISTS (SELECT 1 FROM scopes s WHERE s.name = $1 AND "
    "NOT " HAS_SAME ") THEN 1 ELSE 2 END, created = CASE WHEN $4 > 0 THEN $4 ELSE created END "
    "WHERE document_id = $3 AND state = 0";
#undef HAS_SAME
// Of all in $2, a JSON array, at once: each change of a row makes the next one slower.
#define COUNT_PUBLISHED(ids)                                                                                 \
    "UPDATE scopes SET documents = documents + (SELECT count(*) FROM documents d WHERE d.state = 1 AND "     \
    "d.document_id IN (SELECT " ids ")) WHERE name = $1"
constexpr std::string_view kCountPublishedSqlite = COUNT_PUBLISHED("value FROM json_each($2)");
constexpr std::string_view kCountPublishedPostgres =
    COUNT_PUBLISHED("jsonb_array_elements_text(CAST($2 AS jsonb))");
#undef COUNT_PUBLISHED
constexpr std::string_view kSelectAdded =
    "SELECT d.document_id, d.chunks, d.scope_id FROM documents d JOIN scopes s ON s.id = d.scope_id "
    "WHERE s.name = $1 AND d.digest = $2 AND d.state = 1";

// $1 the document, $2 a JSON array of {"n", "h", "t", "d"}: number, heading, text, digest.
constexpr std::string_view kInsertChunksSqlite = R"(
INSERT INTO chunks (document_id, scope_id, seq, heading, text, digest)
SELECT d.document_id, d.scope_id, c.value ->> 'n', c.value ->> 'h', c.value ->> 't', c.value ->> 'd'
FROM documents d, json_each($2) c WHERE d.document_id = $1 AND d.state = 0)";
constexpr std::string_view kInsertChunksPostgres = R"(
INSERT INTO chunks (document_id, scope_id, seq, heading, text, digest)
SELECT d.document_id, d.scope_id, c.n, c.h, c.t, c.d
FROM documents d, jsonb_to_recordset($2::jsonb) AS c (n bigint, h text, t text, d text)
WHERE d.document_id = $1 AND d.state = 0)";

#define DOCUMENT_COLUMNS "SELECT d.document_id, d.title, d.source, d.metadata, d.bytes, d.chunks, d.created, "
#define FROM_DOCUMENTS                                                                                       \
    "FROM documents d JOIN scopes s ON s.id = d.scope_id WHERE s.name = $1 AND d.state = 1 "
constexpr std::string_view kList =
    DOCUMENT_COLUMNS "'' " FROM_DOCUMENTS
                     "AND (d.created, d.document_id) > ($2, $3) ORDER BY d.created, d.document_id LIMIT $4";
constexpr std::string_view kSelect = DOCUMENT_COLUMNS "d.text " FROM_DOCUMENTS "AND d.document_id = $2";
#undef FROM_DOCUMENTS
#undef DOCUMENT_COLUMNS
constexpr std::string_view kRemove =
    "UPDATE documents SET state = 2 WHERE document_id = $2 AND state = 1 AND scope_id = "
    "(SELECT s.id FROM scopes s WHERE s.name = $1) RETURNING document_id";
constexpr std::string_view kCountRemoved =
    "UPDATE scopes SET documents = documents - 1, stamp = stamp + 1 WHERE name = $1 AND EXISTS (SELECT 1 "
    "FROM "
    "documents d WHERE d.document_id = $2 AND d.state = 1 AND d.scope_id = scopes.id)";
constexpr std::string_view kSelectScopeId = "SELECT id FROM scopes WHERE name = $1 AND documents > 0";

#define PASSAGE_COLUMNS "c.id, c.document_id, d.title, d.source, c.seq, c.heading, c.text "
// One by one: a plan for many would read all chunks, if it was made while they were few.
constexpr std::string_view kSelectPassagesPostgres =
    "SELECT p.* FROM unnest(CAST($1 AS bigint[])) AS i (id) CROSS JOIN LATERAL (SELECT " PASSAGE_COLUMNS
    "FROM chunks c JOIN documents d ON d.document_id = c.document_id AND d.state = 1 "
    "WHERE c.id = i.id OFFSET 0) p";
constexpr std::string_view kSelectPassagesSqlite =
    "SELECT " PASSAGE_COLUMNS "FROM json_each($1) i CROSS JOIN chunks c ON c.id = i.value "
    "JOIN documents d ON d.document_id = c.document_id AND d.state = 1";
#undef PASSAGE_COLUMNS

constexpr std::string_view kSelectLexemes = "SELECT lexemes($1)";
// A page of the scope $1 after the chunk $4 of the document $3, published at $2: of the documents that it
// may take, counted by their chunks, no more chunks of each than it may take.
#define WORDS_OF(words)                                                                                      \
    "SELECT d.published, d.document_id, c.seq, c.id, " words                                                 \
    " FROM (SELECT n.published, n.document_id, CASE WHEN n.published = $2 AND n.document_id = $3 THEN $4 "   \
    "ELSE -1 END AS read_to FROM (SELECT o.published, o.document_id, sum(o.chunks) "                         \
    "OVER (ORDER BY o.published, o.document_id) - o.chunks AS chunks_before FROM "                           \
    "(SELECT published, document_id, chunks FROM documents WHERE scope_id = $1 AND state = 1 "               \
    "AND (published, document_id) >= ($2, $3) ORDER BY published, document_id LIMIT $5 + 1) o) n "           \
    "WHERE n.chunks_before <= $4 + $5) d JOIN chunks c ON c.document_id = d.document_id "                    \
    "AND c.seq > d.read_to AND c.seq <= d.read_to + $5 "                                                     \
    "ORDER BY d.published, d.document_id, c.seq LIMIT $5"
constexpr std::string_view kSelectWordsPostgres = WORDS_OF("c.words");
constexpr std::string_view kSelectWordsSqlite = WORDS_OF("lexemes(c.heading || ' ' || c.text)");
#undef WORDS_OF

constexpr std::string_view kDropAbandoned = "UPDATE documents SET state = 2 WHERE state = 0 AND created < $1";
constexpr std::string_view kDropOfScopes =
    "UPDATE documents SET state = 2 WHERE state = 1 AND document_id IN (SELECT d.document_id FROM documents "
    "d "
    "JOIN scopes s ON s.id = d.scope_id WHERE s.dropped = 1 LIMIT 1000)";
constexpr std::string_view kSelectDropped =
    "SELECT d.document_id, d.scope_id FROM documents d WHERE d.state = 2 LIMIT 1";
constexpr std::string_view kLockScopeById = "UPDATE scopes SET stamp = stamp + 1 WHERE id = $1";
// Of texts that no other document has.
constexpr std::string_view kDeleteVectors =
    "DELETE FROM vectors WHERE digest IN (SELECT c.digest FROM chunks c WHERE c.document_id = $1 "
    "ORDER BY c.seq LIMIT $2) AND NOT EXISTS "
    "(SELECT 1 FROM chunks o WHERE o.digest = vectors.digest AND o.document_id <> $1)";
constexpr std::string_view kDeleteChunks =
    "DELETE FROM chunks WHERE id IN (SELECT c.id FROM chunks c WHERE c.document_id = $1 ORDER BY c.seq "
    "LIMIT $2)";
constexpr std::string_view kDeleteDocument = "DELETE FROM documents WHERE document_id = $1 AND NOT EXISTS "
                                             "(SELECT 1 FROM chunks c WHERE c.document_id = $1)";
constexpr std::string_view kDeleteScopes =
    "DELETE FROM scopes WHERE dropped = 1 AND NOT EXISTS "
    "(SELECT 1 FROM documents d WHERE d.scope_id = scopes.id) RETURNING id";

Document document_of(const Row& row) {
    return Document{row[0].value_or(""), row[1].value_or(""), row[2].value_or(""), row[3].value_or(""),
                    to_integer(row[4]),  to_integer(row[5]),  to_integer(row[6]),  row[7].value_or("")};
}

Passage passage_of(const Row& row) {
    return {to_integer(row[0]), row[1].value_or(""), row[2].value_or(""), row[3].value_or(""),
            to_integer(row[4]), row[5].value_or(""), row[6].value_or("")};
}

// Of all that was given: lengths keep one field from passing for another.
std::string digest_of(const NewDocument& document) {
    std::string all =
        fmt::format("{} {} {} ", document.title.size(), document.source.size(), document.metadata.size());
    all.append(document.title).append(document.source).append(document.metadata).append(document.text);
    return sha256_hex(all);
}

void append_chunk(std::string& json, std::size_t number, const NewChunk& chunk) {
    fmt::format_to(std::back_inserter(json), R"({}{{"n": {}, "h": )", json.empty() ? "[" : ",", number);
    append_json_string(json, chunk.heading);
    json += R"(, "t": )";
    append_json_string(json, chunk.text);
    fmt::format_to(std::back_inserter(json), R"(, "d": "{}"}})", chunk.digest);
}

} // namespace

Scope Scope::of_world(UserId owner, std::string_view world) {
    return {fmt::format("world/{}/{}", owner, world), owner, "", std::string(world)};
}

NewDocument prepare_document(std::string title, std::string source, std::string metadata, std::string text) {
    NewDocument document{
        std::move(title), std::move(source), std::move(metadata), std::move(text), "", {}, "", 0};
    document.digest = digest_of(document);
    for (Chunk& chunk : cut_into_chunks(document.title, document.text)) {
        std::string digest = sha256_hex(chunk.heading + "\n" + std::string(chunk.text));
        document.chunks.push_back({std::move(chunk.heading), std::string(chunk.text), std::move(digest)});
    }
    return document;
}

// Statements that wait to be run together.
struct DocumentStore::Writing {
    Pace pace = kSqlitePace;
    std::vector<db::Statement> batch;
    std::size_t bytes = 0; // of the batch
    Clock::duration rested{};
    std::vector<Rows> results; // of the newest batch that was run
};

Task<Result<void>> DocumentStore::write(Writing& writing, bool all) {
    if (writing.batch.empty() || (!all && writing.bytes < writing.pace.step)) co_return Result<void>();
    const auto begun = Clock::now();
    auto results = co_await database_.run(std::exchange(writing.batch, {}));
    writing.bytes = 0;
    const int times = writing.rested < kLongRest ? writing.pace.rest : 1;
    const auto rest = std::min<Clock::duration>(times * (Clock::now() - begun), kMaxRest);
    writing.rested += rest;
    const Executor executor = co_await asio::this_coro::executor;
    co_await pause(executor, rest);
    if (!results) co_return std::unexpected(std::move(results.error()));
    writing.results = std::move(*results);
    co_return Result<void>();
}

Task<Result<std::optional<std::vector<AddedDocument>>>>
DocumentStore::add(Scope scope, std::vector<NewDocument> documents) {
    const bool postgres = database_.dialect() == db::Dialect::postgresql;
    Writing writing;
    if (postgres) writing.pace = kPostgresPace;
    if (scope.npc_id.empty())
        writing.batch.push_back({kMakeScope, {scope.name, scope.owner_id}});
    else
        writing.batch.push_back({kMakeNpcScope, {scope.name, scope.npc_id}});
    writing.batch.push_back({kLockScope, {scope.name}});

    struct Added {
        std::string id;
        std::string digest;
        Millis created = 0;
    };
    std::vector<Added> added;
    for (NewDocument& document : documents) {
        std::string id = document.document_id.empty() ? new_uuid4() : std::move(document.document_id);
        const Added& one =
            added.emplace_back(Added{std::move(id), std::move(document.digest), document.created});
        const auto bytes = static_cast<std::int64_t>(document.text.size());
        const auto count = static_cast<std::int64_t>(document.chunks.size());
        writing.bytes += document.text.size() / 8; // it is written, but not indexed
        writing.batch.push_back(
            {kInsertDocument,
             {scope.name, one.digest, one.id, std::move(document.title), std::move(document.source),
              std::move(document.metadata), bytes, count, std::move(document.text)}});
        std::string chunks;
        for (std::size_t i = 0; i < document.chunks.size(); ++i) {
            append_chunk(chunks, i, document.chunks[i]);
            const bool is_last = i + 1 == document.chunks.size();
            if (!is_last && writing.bytes + chunks.size() < writing.pace.step) continue;
            writing.bytes += chunks.size();
            chunks += "]";
            writing.batch.push_back(
                {postgres ? kInsertChunksPostgres : kInsertChunksSqlite, {one.id, std::move(chunks)}});
            chunks.clear();
            const auto written = co_await write(writing, false);
            if (!written) co_return std::unexpected(written.error());
            if (writing.batch.empty()) writing.batch.push_back({kLockScope, {scope.name}});
        }
        document.chunks.clear();
    }
    std::string ids;
    for (const Added& one : added) {
        writing.batch.push_back({kPublish, {scope.name, one.digest, one.id, one.created}});
        ids += ids.empty() ? "[" : ",";
        append_json_string(ids, one.id);
    }
    writing.batch.push_back(
        {postgres ? kCountPublishedPostgres : kCountPublishedSqlite, {scope.name, ids + "]"}});
    for (const Added& one : added)
        writing.batch.push_back({kSelectAdded, {scope.name, one.digest}});
    const auto written = co_await write(writing, true);
    if (!written) co_return std::unexpected(written.error());

    std::vector<AddedDocument> found;
    for (std::size_t i = 0; i < added.size(); ++i) {
        const Rows& rows = writing.results[writing.results.size() - added.size() + i];
        if (rows.empty()) co_return std::nullopt;
        found.push_back(
            {rows.front()[0].value_or(""), to_integer(rows.front()[1]), to_integer(rows.front()[2])});
    }
    co_return found;
}

Task<Result<std::vector<Document>>> DocumentStore::list(const Scope& scope, DocumentCursor after, int limit) {
    auto rows = co_await run_one(
        database_, kList, {scope.name, after.created, std::move(after.document_id), std::int64_t{limit}});
    co_return map(std::move(rows), [](const Rows& found) {
        std::vector<Document> documents;
        for (const Row& row : found)
            documents.push_back(document_of(row));
        return documents;
    });
}

Task<Result<std::optional<Document>>> DocumentStore::find(const Scope& scope, std::string document_id) {
    auto rows = co_await run_one(database_, kSelect, {scope.name, std::move(document_id)});
    co_return map(std::move(rows), [](const Rows& found) -> std::optional<Document> {
        if (found.empty()) return std::nullopt;
        return document_of(found.front());
    });
}

Task<Result<bool>> DocumentStore::remove(const Scope& scope, std::string document_id) {
    std::vector<db::Statement> batch;
    batch.push_back({kCountRemoved, {scope.name, document_id}});
    batch.push_back({kRemove, {scope.name, std::move(document_id)}});
    auto results = co_await database_.run(std::move(batch));
    co_return map(std::move(results), [](const auto& all) { return !all[1].empty(); });
}

Task<Result<std::int64_t>> DocumentStore::scope_id(const Scope& scope) {
    auto rows = co_await run_one(searched_, kSelectScopeId, {scope.name});
    co_return map(std::move(rows), [](const Rows& found) {
        return found.empty() ? std::int64_t{0} : to_integer(found.front()[0]);
    });
}

Task<Result<std::string>> DocumentStore::lexemes(std::string text) {
    auto rows = co_await run_one(searched_, kSelectLexemes, {std::move(text)});
    co_return map(std::move(rows), [](const Rows& found) { return found.front()[0].value_or(""); });
}

Task<Result<std::vector<ChunkWords>>> DocumentStore::words(std::int64_t scope_id, const WordCursor& after,
                                                           int most) {
    const bool postgres = searched_.dialect() == db::Dialect::postgresql;
    auto rows =
        co_await run_one(searched_, postgres ? kSelectWordsPostgres : kSelectWordsSqlite,
                         {scope_id, after.published, after.document_id, after.seq, std::int64_t{most}});
    co_return map(std::move(rows), [](Rows found) {
        std::vector<ChunkWords> all;
        for (Row& row : found) {
            WordCursor at{to_integer(row[0]), row[1].value_or(""), to_integer(row[2])};
            all.push_back({std::move(at), to_integer(row[3]), std::move(row[4]).value_or("")});
        }
        return all;
    });
}

Task<Result<std::vector<Passage>>> DocumentStore::passages(const std::vector<std::int64_t>& chunk_ids) {
    if (chunk_ids.empty()) co_return std::vector<Passage>();
    const bool postgres = searched_.dialect() == db::Dialect::postgresql;
    auto rows = co_await run_one(searched_, postgres ? kSelectPassagesPostgres : kSelectPassagesSqlite,
                                 {postgres ? fmt::format("{{{}}}", fmt::join(chunk_ids, ","))
                                           : fmt::format("[{}]", fmt::join(chunk_ids, ","))});
    co_return map(std::move(rows), [](const Rows& found) {
        std::vector<Passage> passages;
        for (const Row& row : found)
            passages.push_back(passage_of(row));
        return passages;
    });
}

Task<Result<bool>> DocumentStore::sweep() {
    constexpr std::int64_t kChunks = 32;
    std::vector<db::Statement> look;
    look.push_back({kDropAbandoned, {now_ms() - kAbandoned}});
    look.push_back({kDropOfScopes, {}});
    look.push_back({kDeleteScopes, {}});
    look.push_back({kSelectDropped, {}});
    auto found = co_await database_.run(std::move(look));
    if (!found) co_return std::unexpected(std::move(found.error()));
    if (found->back().empty()) co_return !(*found)[2].empty();
    const Row& dropped = found->back().front();
    const std::string document_id = dropped[0].value_or("");
    std::vector<db::Statement> step;
    step.push_back({kLockScopeById, {to_integer(dropped[1])}});
    step.push_back({kDeleteVectors, {document_id, kChunks}});
    step.push_back({kDeleteChunks, {document_id, kChunks}});
    step.push_back({kDeleteDocument, {document_id}});
    auto done = co_await database_.run(std::move(step));
    co_return map(std::move(done), [](const auto&) { return true; });
}

} // namespace npcchat
