#include "http/form.hpp"

#include "base/utf8.hpp"

#include <algorithm>
#include <optional>

namespace npcchat {
namespace {

constexpr std::string_view kUrlencoded = "application/x-www-form-urlencoded";
constexpr std::string_view kMultipart = "multipart/form-data";
constexpr std::size_t kMaxBoundary = 70; // RFC 2046, section 5.1.1
constexpr std::size_t kMaxParameters = 16;

using Status = std::expected<void, std::string>;

std::unexpected<std::string> malformed_multipart() {
    return std::unexpected<std::string>("The multipart body is malformed");
}

char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool equals_folded(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return to_lower(a) == to_lower(b); });
}

std::string_view trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Cuts `text` at `separator` and returns what is before it; all of it where there is none.
std::string_view take_until(std::string_view& text, std::string_view separator) {
    const std::size_t at = text.find(separator);
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + separator.size());
    return taken;
}

bool is_clean(std::string_view text) {
    return is_valid_utf8(text) && text.find('\0') == std::string_view::npos;
}

Status add_field(FormFields& fields, std::string name, std::string value) {
    if (fields.size() == kMaxFormFields) return std::unexpected("There are too many fields");
    if (!is_clean(name) || !is_clean(value))
        return std::unexpected("A field is not UTF-8, or has a NUL byte");
    if (find_field(fields, name) != nullptr) return std::unexpected("A field is given twice");
    fields.emplace_back(std::move(name), std::move(value));
    return {};
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i] == '+' ? ' ' : text[i]);
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_value(text[i + 1]);
        const int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return out;
}

FormResult parse_urlencoded(std::string_view text) {
    FormFields fields;
    while (!text.empty()) {
        std::string_view value = take_until(text, "&");
        if (value.empty()) continue;
        auto decoded_name = percent_decode(take_until(value, "="));
        auto decoded_value = percent_decode(value);
        if (!decoded_name || !decoded_value) return std::unexpected("A percent-encoding is malformed");
        const Status added = add_field(fields, std::move(*decoded_name), std::move(*decoded_value));
        if (!added) return std::unexpected(added.error());
    }
    return fields;
}

// A quoted string's text, `text` being at its opening quote; moves `text` behind the closing one.
std::optional<std::string> take_quoted(std::string_view& text) {
    std::string out;
    for (std::size_t i = 1; i < text.size(); ++i) {
        const bool escaped =
            text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
        if (text[i] == '"') {
            text.remove_prefix(i + 1);
            return out;
        }
        if (escaped) ++i;
        out.push_back(text[i]);
    }
    return std::nullopt;
}

// A header's value and its parameters, names in lower case: `form-data; name="username"`.
struct HeaderValue {
    std::string_view value;
    std::vector<std::pair<std::string, std::string>> parameters;

    const std::string* find(std::string_view name) const { return find_field(parameters, name); }
};

std::optional<HeaderValue> parse_header_value(std::string_view text) {
    HeaderValue header;
    const std::size_t end = std::min(text.find(';'), text.size());
    header.value = trim(text.substr(0, end));
    text.remove_prefix(end);
    while (!trim(text).empty()) {
        text = trim(text);
        if (text.front() != ';') return std::nullopt;
        text = trim(text.substr(1));
        if (text.empty()) break;
        const std::size_t equals = text.find_first_of("=;");
        if (equals == std::string_view::npos || text[equals] != '=') return std::nullopt;
        std::string name(trim(text.substr(0, equals)));
        std::transform(name.begin(), name.end(), name.begin(), to_lower);
        text = trim(text.substr(equals + 1));

        std::optional<std::string> value;
        if (text.starts_with('"')) {
            value = take_quoted(text);
        } else {
            const std::size_t stop = std::min(text.find(';'), text.size());
            value = std::string(trim(text.substr(0, stop)));
            text.remove_prefix(stop);
        }
        if (!value || header.find(name) != nullptr || header.parameters.size() == kMaxParameters) {
            return std::nullopt;
        }
        header.parameters.emplace_back(std::move(name), std::move(*value));
    }
    return header;
}

// The field's name, from the headers of a part.
std::expected<std::string, std::string> part_name(std::string_view headers) {
    std::optional<std::string> name;
    while (!headers.empty()) {
        std::string_view value = take_until(headers, "\r\n");
        const bool has_colon = value.find(':') != std::string_view::npos;
        const std::string_view header = trim(take_until(value, ":"));
        if (!has_colon || header.empty()) return malformed_multipart();
        if (equals_folded(header, "content-transfer-encoding")) {
            const std::string_view encoding = trim(value);
            const bool plain = equals_folded(encoding, "7bit") || equals_folded(encoding, "8bit") ||
                               equals_folded(encoding, "binary");
            if (!plain) return std::unexpected("A part has an encoding, which is not supported");
        }
        if (!equals_folded(header, "content-disposition")) continue;

        const auto disposition = parse_header_value(value);
        if (!disposition || name || !equals_folded(disposition->value, "form-data"))
            return malformed_multipart();
        if (disposition->find("filename") != nullptr || disposition->find("filename*") != nullptr) {
            return std::unexpected("Files are not accepted");
        }
        const std::string* given = disposition->find("name");
        if (given == nullptr) return malformed_multipart();
        name = *given;
    }
    if (!name) return malformed_multipart();
    return *name;
}

// `part` is what stands between two delimiters.
Status add_part(FormFields& fields, std::string_view part) {
    // An empty line ends the headers.
    const std::size_t end = part.find("\r\n\r\n");
    if (end == std::string_view::npos) return malformed_multipart();
    auto name = part_name(part.substr(0, end));
    if (!name) return std::unexpected(std::move(name.error()));
    return add_field(fields, std::move(*name), std::string(part.substr(end + 4)));
}

bool is_boundary(std::string_view boundary) {
    return !boundary.empty() && boundary.size() <= kMaxBoundary && boundary.back() != ' ' &&
           std::all_of(boundary.begin(), boundary.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// `body` begins right after a delimiter. Moves it past the end of that delimiter's line.
bool take_line_end(std::string_view& body) {
    body.remove_prefix(std::min(body.find_first_not_of(" \t"), body.size()));
    if (!body.starts_with("\r\n")) return false;
    body.remove_prefix(2);
    return true;
}

FormResult parse_multipart(std::string_view boundary, std::string_view body) {
    const std::string delimiter = std::string("\r\n--").append(boundary);
    if (body.starts_with(std::string_view(delimiter).substr(2))) {
        body.remove_prefix(delimiter.size() - 2);
    } else {
        const std::size_t first = body.find(delimiter);
        if (first == std::string_view::npos) return malformed_multipart();
        body.remove_prefix(first + delimiter.size());
    }

    FormFields fields;
    while (!body.starts_with("--")) {
        if (!take_line_end(body)) return malformed_multipart();
        const std::size_t end = body.find(delimiter);
        if (end == std::string_view::npos) return malformed_multipart();
        const Status added = add_part(fields, body.substr(0, end));
        if (!added) return std::unexpected(added.error());
        body.remove_prefix(end + delimiter.size());
    }
    return fields;
}

std::string_view media_type(std::string_view content_type) {
    return trim(take_until(content_type, ";"));
}

} // namespace

bool is_form(std::string_view content_type) {
    const std::string_view type = media_type(content_type);
    return equals_folded(type, kUrlencoded) || equals_folded(type, kMultipart);
}

FormResult parse_form(std::string_view content_type, std::string_view body) {
    const std::string_view type = media_type(content_type);
    if (equals_folded(type, kUrlencoded)) return parse_urlencoded(body);
    if (!equals_folded(type, kMultipart)) return std::unexpected("The content type is not that of a form");
    const auto header = parse_header_value(content_type);
    const std::string* boundary = header ? header->find("boundary") : nullptr;
    if (boundary == nullptr || !is_boundary(*boundary)) {
        return std::unexpected("The content type has no valid boundary");
    }
    return parse_multipart(*boundary, body);
}

FormResult parse_query(std::string_view query) {
    return parse_urlencoded(query);
}

const std::string* find_field(const FormFields& fields, std::string_view name) {
    const auto found =
        std::find_if(fields.begin(), fields.end(), [name](const auto& f) { return f.first == name; });
    return found == fields.end() ? nullptr : &found->second;
}

} // namespace npcchat
