#include "base/json.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

// jansson's own limit (2048) is a compile-time constant of the library, and deep nesting would reach its
// recursion before we see it: one scan that skips strings finds the depth first.
bool too_deep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > kJsonMaxDepth) return true;
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return false;
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
    if (too_deep(text))
        return fail(400, fmt::format("The body is nested deeper than {} levels", kJsonMaxDepth));
    json_error_t error;
    Json value(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error));
    if (value) return value;
    // jansson's text may quote the input: only its kind and place go out.
    switch (json_error_code(&error)) {
    case json_error_duplicate_key:
        return fail(400, "The body is not valid JSON: a key stands twice in an object");
    case json_error_invalid_utf8:
        return fail(400, "The body is not valid UTF-8");
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return fail(400, "The body is not valid JSON: \\u0000 is not allowed");
    default:
        return fail(400,
                    fmt::format("The body is not valid JSON (line {}, column {})", error.line, error.column));
    }
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
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
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
