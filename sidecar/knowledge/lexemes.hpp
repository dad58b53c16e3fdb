// Words of a text, as the database's full text has cut and stemmed them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace npcchat {

struct CountedWord {
    std::uint64_t word = 0;  // stands for it, the same in all texts of a process
    std::uint32_t times = 0; // 1 or more
};

// Of a tsvector's text form: 'a':1,7 'b''c':2 and so on. What is no such thing ends it.
std::vector<CountedWord> parse_lexemes(std::string_view tsvector);

} // namespace npcchat
