#include "knowledge/word_query.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace npcchat {
namespace {

constexpr std::size_t kMaxWords = 64;
constexpr std::size_t kMaxWord = 128; // bytes; what is longer is no word

// In order.
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

bool is_word_byte(unsigned char byte) {
    return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size() && words.size() < 4 * kMaxWords;) {
        const std::size_t begin = at;
        while (at < text.size() && is_word_byte(static_cast<unsigned char>(text[at])))
            ++at;
        std::string word(text.substr(begin, at - begin));
        std::ranges::transform(word, word.begin(), lower);
        if (!word.empty() && word.size() <= kMaxWord && std::ranges::find(words, word) == words.end())
            words.push_back(std::move(word));
        if (at == begin) ++at;
    }
    return words;
}

bool is_common(const std::string& word) {
    return std::ranges::binary_search(kCommon, std::string_view(word));
}

} // namespace

std::string any_word_of(std::string_view text) {
    std::vector<std::string> words = words_of(text);
    std::erase_if(words, is_common);
    if (words.size() > kMaxWords) words.resize(kMaxWords);
    std::string query;
    for (const std::string& word : words) {
        if (!query.empty()) query += " OR ";
        query.append("\"").append(word).append("\"");
    }
    return query;
}

} // namespace npcchat
