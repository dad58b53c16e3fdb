// Documents and their chunks in the catalog's database.
#pragma once

#include "base/clock.hpp"
#include "catalog/catalog.hpp"
#include "db/database.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// Whose documents: those that all may ask for, one NPC's, or one world's, which belongs to a user.
struct Scope {
    static Scope shared() { return {"shared", kAdminId, "", ""}; }
    static Scope of_npc(const Npc& npc) { return {"npc/" + npc.npc_id, npc.owner_id, npc.npc_id, ""}; }
    static Scope of_world(UserId owner, std::string_view world);

    std::string name;
    UserId owner_id = 0;
    std::string npc_id; // of an NPC's
    std::string world;  // the name of a world, as its owner has it
};

// What a search looks at: scopes that have documents, by id; 0: none.
using ScopeIds = std::array<std::int64_t, 2>;

struct NewChunk {
    std::string heading;
    std::string text;
    std::string digest; // SHA-256 of both, in hexadecimal
};

struct NewDocument {
    std::string title;
    std::string source;
    std::string metadata; // a JSON object, or empty
    std::string text;
    std::string digest; // of all that
    std::vector<NewChunk> chunks;
    std::string document_id = {}; // of one that was elsewhere; empty: a new one
    Millis created = 0;           // the same; 0: now
};

// Cuts the text into chunks, none where it is white space. For a thread of its own: it takes time in
// proportion to the text.
NewDocument prepare_document(std::string title, std::string source, std::string metadata, std::string text);

struct AddedDocument {
    std::string document_id;
    std::int64_t chunks = 0;
    std::int64_t scope_id = 0;
};

struct Document {
    std::string document_id;
    std::string title;
    std::string source;
    std::string metadata;
    std::int64_t bytes = 0;
    std::int64_t chunks = 0;
    Millis created = 0;
    std::string text; // not in lists
};

// A place in a list of documents, by age.
struct DocumentCursor {
    Millis created = -1;
    std::string document_id;
};

// A chunk that was found.
struct Passage {
    std::int64_t chunk_id = 0;
    std::string document_id;
    std::string title;
    std::string source;
    std::int64_t seq = 0; // its number in the document, from 0
    std::string heading;
    std::string text;
    double score = 0; // the higher the better; comparable within one list only
};

// A place in the order in which a scope's chunks could be found.
struct WordCursor {
    std::int64_t published = 0;
    std::string document_id;
    std::int64_t seq = -1;
};

struct ChunkWords {
    WordCursor at;
    std::int64_t id = 0;
    std::string words; // as lexemes() has them
};

// Every function answers 503 where the database does.
class DocumentStore {
  public:
    // The same database twice: for what is written, in steps that can wait, and for what is read.
    DocumentStore(db::Database& database, db::Database& searched)
        : database_(database), searched_(searched) {}

    // `documents` have chunks. All of them or none, in steps that keep nobody waiting for long; they are
    // found from the end on. One that the scope has already, byte for byte, is not added again: its id is
    // given back. Nothing, where the NPC or user is gone.
    Task<Result<std::optional<std::vector<AddedDocument>>>> add(Scope scope,
                                                                std::vector<NewDocument> documents);
    // Oldest first, after the cursor.
    Task<Result<std::vector<Document>>> list(const Scope& scope, DocumentCursor after, int limit);
    Task<Result<std::optional<Document>>> find(const Scope& scope, std::string document_id);
    // False where there is none. It is found no more from now on.
    Task<Result<bool>> remove(const Scope& scope, std::string document_id);

    // The id of a scope that has documents, or 0.
    Task<Result<std::int64_t>> scope_id(const Scope& scope);

    // What the database's full text makes of the text's words: a tsvector, as text.
    Task<Result<std::string>> lexemes(std::string text);
    // Those of the scope's chunks, in their order, after the cursor. On PostgreSQL, kChangesChannel of
    // EmbeddingStore hears the scope's id when there are more.
    Task<Result<std::vector<ChunkWords>>> words(std::int64_t scope_id, const WordCursor& after, int most);
    // What of the chunks is there and can be found, in any order.
    Task<Result<std::vector<Passage>>> passages(const std::vector<std::int64_t>& chunk_ids);

    // Takes one step away of what was deleted or left half added; false where there is nothing left.
    Task<Result<bool>> sweep();

  private:
    struct Writing;
    Task<Result<void>> write(Writing& writing, bool all);

    db::Database& database_;
    db::Database& searched_;
};

} // namespace npcchat
