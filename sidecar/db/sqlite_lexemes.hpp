// Words as SQLite's full text has them, for those who compare them themselves.
#pragma once

#include <sqlite3.h>

namespace npcchat::db {

// Registers the SQL function lexemes(text): the text's words, cut and stemmed by FTS5's tokenizer "porter
// unicode61", in the text form of PostgreSQL's tsvector. English words that stand in every text (the, is,
// of…) are left out. False where SQLite has no FTS5.
bool register_lexemes(sqlite3* handle);

} // namespace npcchat::db
