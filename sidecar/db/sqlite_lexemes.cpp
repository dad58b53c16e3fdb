#include "db/sqlite_lexemes.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace npcchat::db {
namespace {

constexpr std::size_t kMaxWord = 128; // bytes; what is longer is no word

// Stand in every text: left out, as PostgreSQL does. In order.
constexpr auto kCommon = std::to_array<std::string_view>(
    {"a",      "about",  "after",   "all",   "am",     "an",       "and",       "any",  "are",   "as",
     "at",     "be",     "because", "been",  "before", "being",    "but",       "by",   "can",   "could",
     "d",      "did",    "do",      "does",  "doing",  "for",      "from",      "had",  "has",   "have",
     "having", "he",     "her",     "here",  "hers",   "him",      "his",       "how",  "i",     "if",
     "in",     "into",   "is",      "it",    "its",    "just",     "ll",        "m",    "me",    "more",
     "most",   "my",     "no",      "nor",   "not",    "now",      "of",        "off",  "on",    "once",
     "only",   "or",     "other",   "our",   "ours",   "out",      "over",      "own",  "re",    "s",
     "same",   "she",    "should",  "so",    "some",   "such",     "t",         "than", "that",  "the",
     "their",  "theirs", "them",    "then",  "there",  "these",    "they",      "this", "those", "through",
     "to",     "too",    "under",   "until", "up",     "ve",       "very",      "was",  "we",    "were",
     "what",   "when",   "where",   "which", "while",  "who",      "whom",      "why",  "will",  "with",
     "would",  "y",      "you",     "your",  "yours",  "yourself", "yourselves"});
static_assert(std::ranges::is_sorted(kCommon));

// The tokenizer of full text (https://www.sqlite.org/fts5.html#custom_tokenizers).
struct Tokenizer {
    ~Tokenizer() {
        if (made) functions.xDelete(made);
    }
    fts5_tokenizer functions{};
    Fts5Tokenizer* made = nullptr;
};

struct Words {
    std::string_view text;
    std::map<std::string, std::string> places; // of each word: 1,2,7
    int place = 0;
};

bool is_common(std::string_view word) {
    std::string lower(word);
    for (char& letter : lower) {
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    }
    return std::ranges::binary_search(kCommon, std::string_view(lower));
}

// `token` is the word's stem; the word itself stands in the text from `begin` to `end`.
int take_word(void* context, int, const char* token, int size, int begin, int end) {
    auto& words = *static_cast<Words*>(context);
    ++words.place;
    const std::string_view stem(token, static_cast<std::size_t>(size));
    const auto from = static_cast<std::size_t>(begin);
    if (stem.size() > kMaxWord || is_common(words.text.substr(from, static_cast<std::size_t>(end) - from)))
        return SQLITE_OK;
    std::string& places = words.places[std::string(stem)];
    if (!places.empty()) places += ',';
    places += std::to_string(words.place);
    return SQLITE_OK;
}

// lexemes(text): its words in the text form of PostgreSQL's tsvector. They consist of letters and digits,
// in which nothing has to be quoted.
void sql_lexemes(sqlite3_context* context, int, sqlite3_value** arguments) {
    const auto& tokenizer = *static_cast<Tokenizer*>(sqlite3_user_data(context));
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(arguments[0]));
    const int size = sqlite3_value_bytes(arguments[0]);
    if (!text) return;
    Words words{{text, static_cast<std::size_t>(size)}, {}, 0};
    const int status =
        tokenizer.functions.xTokenize(tokenizer.made, &words, FTS5_TOKENIZE_DOCUMENT, text, size, take_word);
    if (status != SQLITE_OK) return sqlite3_result_error_code(context, status);
    std::string result;
    for (const auto& [word, places] : words.places)
        result.append(result.empty() ? "'" : " '").append(word).append("':").append(places);
    sqlite3_result_text64(context, result.data(), result.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// https://www.sqlite.org/fts5.html#extending_fts5
fts5_api* full_text_of(sqlite3* handle) {
    fts5_api* api = nullptr;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle, "SELECT fts5(?1)", -1, &statement, nullptr) != SQLITE_OK) return nullptr;
    sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", nullptr);
    sqlite3_step(statement);
    sqlite3_finalize(statement);
    return api;
}

} // namespace

bool register_lexemes(sqlite3* handle) {
    fts5_api* const api = full_text_of(handle);
    auto tokenizer = std::make_unique<Tokenizer>();
    void* context = nullptr;
    if (!api || api->xFindTokenizer(api, "porter", &context, &tokenizer->functions) != SQLITE_OK)
        return false;
    auto arguments = std::to_array<const char*>({"unicode61"});
    if (tokenizer->functions.xCreate(context, arguments.data(), arguments.size(), &tokenizer->made) !=
        SQLITE_OK)
        return false;
    // It is destroyed where this fails, too.
    return sqlite3_create_function_v2(handle, "lexemes", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                      tokenizer.release(), sql_lexemes, nullptr, nullptr,
                                      [](void* made) { delete static_cast<Tokenizer*>(made); }) == SQLITE_OK;
}

} // namespace npcchat::db
