// HTML forms and query strings: application/x-www-form-urlencoded (URL Standard, section 5) and the text
// fields of multipart/form-data (RFC 7578).
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace npcchat {

inline constexpr std::size_t kMaxFormFields = 64;

// Name and value, decoded, in the order given. Each name stands once; all is valid UTF-8 without NUL.
using FormFields = std::vector<std::pair<std::string, std::string>>;

// The error says what is malformed, for a 400, and repeats nothing of the input. The size of the input is the
// caller's to bound.
using FormResult = std::expected<FormFields, std::string>;

// True for the two content types that parse_form reads, whatever their parameters.
bool is_form(std::string_view content_type);

// Files (parts with a file name) are refused, as is any other content type.
FormResult parse_form(std::string_view content_type, std::string_view body);

// `query` without its `?`.
FormResult parse_query(std::string_view query);

// The value of the field, or null. Valid as long as `fields`.
const std::string* find_field(const FormFields& fields, std::string_view name);

} // namespace npcchat
