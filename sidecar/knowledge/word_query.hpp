// What a question looks for, as a query of SQLite's full text.
#pragma once

#include <string>
#include <string_view>

namespace npcchat {

// Each word of `text` once, quoted, with OR between them, as FTS5 wants them
// (https://www.sqlite.org/fts5.html#full_text_query_syntax): nothing in the text is syntax. English words
// that stand in every text (the, is, of…) are left out, as PostgreSQL does. At most 64 words; empty where
// there are none.
std::string any_word_of(std::string_view text);

} // namespace npcchat
