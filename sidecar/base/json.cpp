#include "base/json.hpp"

#include "base/json_special.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

std::string syntax_error(std::string_view text, std::size_t at) {
    const std::string_view before = text.substr(0, at);
    const auto line = std::ranges::count(before, '\n') + 1;
    const auto column = at - std::min(before.rfind('\n') + 1, at) + 1;
    return fmt::format("The body is not valid JSON (line {}, column {})", line, column);
}

std::string bounds_text(std::size_t min, std::size_t max) {
    return fmt::format("{} to {} bytes", min, max);
}

Result<std::string> checked_text(const json_t* value, const char* name, std::size_t min, std::size_t max) {
    if (!json_is_string(value)) return fail(422, fmt::format("{}: must be a string", name));
    const std::size_t size = json_string_length(value);
    if (size < min || size > max) {
        return fail(422, fmt::format("{}: must be {} long, is {}", name, bounds_text(min, max), size));
    }
    return std::string(json_string_value(value), size);
}

} // namespace

Result<Json> parse_json(std::string_view text) {
    auto value = read_json(text, kJsonMaxDepth);
    if (value) return std::move(*value);
    // Nothing of the input goes out.
    switch (value.error().fault) {
    case JsonFault::duplicate_key:
        return fail(400, "The body is not valid JSON: a key stands twice in an object");
    case JsonFault::utf8:
        return fail(400, "The body is not valid UTF-8");
    case JsonFault::nul:
        return fail(400, "The body is not valid JSON: \\u0000 is not allowed");
    case JsonFault::depth:
        return fail(400, fmt::format("The body is nested deeper than {} levels", kJsonMaxDepth));
    case JsonFault::syntax:
        break;
    }
    return fail(400, syntax_error(text, value.error().at));
}

Result<Json> parse_json_object(std::string_view text) {
    auto value = parse_json(text);
    if (value && !json_is_object(value->get())) return fail(422, "The body must be a JSON object");
    return value;
}

const json_t* Fields::find(const char* name) const {
    const json_t* value = json_object_get(object_, name);
    return json_is_null(value) ? nullptr : value;
}

Result<std::string> Fields::text(const char* name, std::size_t min, std::size_t max) const {
    const json_t* value = find(name);
    if (!value) return fail(422, fmt::format("{}: field required", name));
    return checked_text(value, name, min, max);
}

Result<std::optional<std::string>> Fields::optional_text(const char* name, std::size_t min,
                                                         std::size_t max) const {
    const json_t* value = find(name);
    if (!value) return std::nullopt;
    return map(checked_text(value, name, min, max),
               [](std::string text) { return std::optional(std::move(text)); });
}

Result<std::optional<bool>> Fields::optional_flag(const char* name) const {
    const json_t* value = find(name);
    if (!value) return std::nullopt;
    if (!json_is_boolean(value)) return fail(422, fmt::format("{}: must be true or false", name));
    return std::optional(json_is_true(value));
}

Result<std::optional<std::int64_t>> Fields::optional_integer(const char* name, std::int64_t min,
                                                             std::int64_t max) const {
    const json_t* value = find(name);
    if (!value) return std::nullopt;
    if (!json_is_integer(value)) return fail(422, fmt::format("{}: must be a whole number", name));
    const std::int64_t number = json_integer_value(value);
    if (number < min || number > max) return fail(422, fmt::format("{}: must be {} to {}", name, min, max));
    return std::optional(number);
}

void append_json_string(std::string& out, std::string_view text) {
    out.push_back('"');
    std::size_t copied = 0;
    for (std::size_t i = find_json_special(text, 0); i < text.size(); i = find_json_special(text, i + 1)) {
        const auto c = static_cast<unsigned char>(text[i]);
        out.append(text, copied, i - copied);
        copied = i + 1;
        switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
        }
    }
    out.append(text, copied);
    out.push_back('"');
}

std::string json_string(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    append_json_string(out, text);
    return out;
}

std::string error_body(std::string_view detail) {
    return "{\"detail\": " + json_string(detail) + "}";
}

} // namespace npcchat
