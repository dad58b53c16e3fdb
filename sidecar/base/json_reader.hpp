// Reads JSON texts (RFC 8259) into jansson's values.
//
// Strict where jansson's own parser is not or cannot be told to be: the depth is bounded before anything
// recurses, a duplicate key and \u0000 are refused by name. And quick: every turn reads two texts, and
// jansson looks at each byte several times.
#pragma once

#include <cstddef>
#include <expected>
#include <jansson.h>
#include <memory>
#include <string_view>

namespace npcchat {

struct JsonDecref {
    void operator()(json_t* value) const { json_decref(value); }
};
using Json = std::unique_ptr<json_t, JsonDecref>;

enum class JsonFault { syntax, utf8, duplicate_key, nul, depth };

struct JsonError {
    JsonFault fault;
    std::size_t at; // the byte where it was noticed
};

// One value with nothing but white space around it, of at most `max_depth` arrays and objects in each other
// (1 to 512). A whole number is an integer where 64 bits hold it, else a real; what no double holds is an
// error.
std::expected<Json, JsonError> read_json(std::string_view text, int max_depth);

} // namespace npcchat
