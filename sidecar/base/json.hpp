// JSON as the API reads and writes it.
#pragma once

#include "base/error.hpp"
#include "base/json_reader.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace npcchat {

// Bounds of what is accepted from outside.
inline constexpr int kJsonMaxDepth = 64;

// Parses one JSON text. 400 for anything that is not strict JSON in UTF-8: duplicate keys, \u0000, bytes
// after the value, a depth over kJsonMaxDepth.
Result<Json> parse_json(std::string_view text);

// As parse_json, but 422 where the value is not an object.
Result<Json> parse_json_object(std::string_view text);

// Reads fields of one object. Each reader answers 422 with the field's name where the value is of the wrong
// type or out of bounds; `null` counts as absent.
class Fields {
  public:
    explicit Fields(const json_t* object) : object_(object) {}

    // Sizes in bytes. A missing field is a 422.
    Result<std::string> text(const char* name, std::size_t min, std::size_t max) const;
    Result<std::optional<std::string>> optional_text(const char* name, std::size_t min,
                                                     std::size_t max) const;
    Result<std::optional<bool>> optional_flag(const char* name) const;
    Result<std::optional<std::int64_t>> optional_integer(const char* name, std::int64_t min,
                                                         std::int64_t max) const;

  private:
    const json_t* find(const char* name) const;
    const json_t* object_;
};

// Appends `text` as a JSON string with its quotes. `text` is valid UTF-8.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

// The body of every error answer: {"detail": "…"}.
std::string error_body(std::string_view detail);

} // namespace npcchat
