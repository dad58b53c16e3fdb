#include "base/json_walk.hpp"

#include "base/json.hpp"
#include "base/json_special.hpp"
#include "base/number.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <array>

namespace npcchat {
namespace {

// Spaces as JSON has them (RFC 8259, section 2).
bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// What numbers, true, false and null consist of.
bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

} // namespace

JsonWalk::JsonWalk(std::string_view text) : text_(text) {
    skip_space();
    if (take('{'))
        close_ = '}';
    else if (take('['))
        close_ = ']';
    else
        state_ = State::failed;
}

bool JsonWalk::next() {
    if (state_ == State::ended || state_ == State::failed) return false;
    skip_space();
    if (take(close_)) {
        skip_space();
        return end_at(at_ == text_.size());
    }
    if (state_ == State::between && !take(',')) return end_at(false);
    state_ = State::between;
    return read_member() || end_at(false);
}

bool JsonWalk::is_named(std::string_view name) const {
    if (name_.find('\\') == name_.npos) return name_ == name;
    return read_json_string({name_.data() - 1, name_.size() + 2}) == name;
}

bool JsonWalk::end_at(bool as_it_should) {
    state_ = as_it_should ? State::ended : State::failed;
    return false;
}

bool JsonWalk::read_member() {
    skip_space();
    const std::size_t begin = at_;
    if (is_object()) {
        if (!skip_string()) return false;
        name_ = text_.substr(begin + 1, at_ - begin - 2);
        skip_space();
        if (!take(':')) return false;
        skip_space();
    }
    const std::size_t value = at_;
    if (!skip_value()) return false;
    value_ = text_.substr(value, at_ - value);
    member_ = text_.substr(begin, at_ - begin);
    return true;
}

void JsonWalk::skip_space() {
    while (at_ < text_.size() && is_space(text_[at_]))
        ++at_;
}

bool JsonWalk::take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
}

bool JsonWalk::skip_string() {
    if (!take('"')) return false;
    while ((at_ = find_json_special(text_, at_)) < text_.size()) {
        if (text_[at_] == '"') return take('"');
        at_ += text_[at_] == '\\' ? 2 : 1;
        if (at_ > text_.size()) break;
    }
    at_ = text_.size();
    return false;
}

bool JsonWalk::skip_nested() {
    std::array<char, kJsonMaxDepth> closes{};
    std::size_t depth = 0;
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == '"') {
            if (!skip_string()) return false;
            continue;
        }
        ++at_;
        if (c == '{' || c == '[') {
            if (depth == closes.size()) return false;
            closes[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closes[--depth] != c) return false;
            if (depth == 0) return true;
        }
    }
    return false;
}

bool JsonWalk::skip_value() {
    if (at_ == text_.size()) return false;
    const char c = text_[at_];
    if (c == '"') return skip_string();
    if (c == '{' || c == '[') return skip_nested();
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_]))
        ++at_;
    return at_ > begin;
}

std::string_view find_json_member(std::string_view text, std::string_view name) {
    JsonWalk members(text);
    if (!members.is_object()) return {};
    while (members.next()) {
        if (members.is_named(name)) return members.value();
    }
    return {};
}

std::string members_without(std::string_view text, std::initializer_list<std::string_view> names) {
    std::string kept;
    kept.reserve(text.size());
    JsonWalk members(text);
    while (members.next()) {
        if (std::ranges::any_of(names, [&](std::string_view name) { return members.is_named(name); }))
            continue;
        if (!kept.empty()) kept += ',';
        kept += members.member();
    }
    return kept;
}

std::optional<std::string> read_json_string(std::string_view quoted) {
    if (!quoted.starts_with('"')) return std::nullopt;
    const std::size_t end = find_json_special(quoted, 1);
    if (end + 1 == quoted.size() && quoted[end] == '"' && is_valid_utf8(quoted))
        return std::string(quoted.substr(1, end - 1));
    const auto value = read_json(quoted, 1);
    if (!value || !json_is_string(value->get())) return std::nullopt;
    return std::string(json_string_value(value->get()), json_string_length(value->get()));
}

std::int64_t read_json_count(std::string_view value) {
    return std::max<std::int64_t>(parse_number<std::int64_t>(value).value_or(0), 0);
}

} // namespace npcchat
