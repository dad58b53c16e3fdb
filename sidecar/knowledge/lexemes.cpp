#include "knowledge/lexemes.hpp"

#include <algorithm>
#include <functional>
#include <string>

namespace npcchat {

// https://www.postgresql.org/docs/15/datatype-textsearch.html
std::vector<CountedWord> parse_lexemes(std::string_view tsvector) {
    std::vector<CountedWord> words;
    std::string word;
    std::size_t at = 0;
    while (at < tsvector.size() && tsvector[at] == '\'') {
        word.clear();
        for (++at;; at += 2) {
            const std::size_t special = std::min(tsvector.find_first_of("'\\", at), tsvector.size());
            word.append(tsvector, at, special - at);
            at = special;
            const bool is_doubled = at + 1 < tsvector.size() && tsvector[at + 1] == tsvector[at];
            if (!is_doubled) break;
            word += tsvector[at];
        }
        if (at == tsvector.size() || tsvector[at] != '\'') break;
        const std::size_t end = std::min(tsvector.find(' ', at), tsvector.size());
        const auto commas = std::ranges::count(tsvector.substr(at, end - at), ',');
        words.push_back({std::hash<std::string_view>()(word), static_cast<std::uint32_t>(commas + 1)});
        at = end + 1;
    }
    return words;
}

} // namespace npcchat
