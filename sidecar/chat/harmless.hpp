// Keeps texts of players, memories and documents from posing as the prompt's own structure.
#pragma once

#include <string>
#include <string_view>

namespace npcchat {

// A copy of `text` in which
// - the angle brackets of thinking tags (see thinking.hpp; also of tags that are never closed by `>`) are the
//   quotation marks U+2039 and U+203A, so that the text holds nothing that ThinkingFilter would cut;
// - a line whose first three characters after spaces and tabs are `###` has a backslash before them. Lines
// end
//   wherever Unicode says they may: \n, \r, \v, \f, U+0085, U+2028, U+2029.
// All else is kept byte for byte. Doing it twice changes nothing more.
std::string harmless(std::string_view text);

} // namespace npcchat
