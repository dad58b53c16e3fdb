// Where the parts of a JSON text stand: for looking at a few of them, and for copying others byte for byte.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace npcchat {

// Walks over the members of an object, or the elements of an array; white space may stand around it. Brackets
// and strings are checked; how numbers are written, and UTF-8, are not. All views point into the text.
class JsonWalk {
  public:
    explicit JsonWalk(std::string_view text);

    // To the next one. False at the end, and where the text is malformed.
    bool next();
    bool failed() const { return state_ == State::failed; }
    bool is_object() const { return close_ == '}'; }

    // The name between its quotes, escapes and all; empty in an array.
    std::string_view name() const { return name_; }
    bool is_named(std::string_view name) const;
    // From the value's first byte to its last.
    std::string_view value() const { return value_; }
    // The same from the name's first quote on.
    std::string_view member() const { return member_; }

  private:
    enum class State { first, between, ended, failed };

    void skip_space();
    bool take(char c);
    bool skip_string();
    bool skip_nested();
    bool skip_value();
    bool read_member();
    bool end_at(bool as_it_should);

    std::string_view text_;
    std::size_t at_ = 0;
    char close_ = '\0';
    State state_ = State::first;
    std::string_view name_;
    std::string_view value_;
    std::string_view member_;
};

// The value of a member of the object `text`; empty where there is none, or `text` is malformed before it.
std::string_view find_json_member(std::string_view text, std::string_view name);

// The members of the object `text` as they stand, divided by commas, without those of these names.
std::string members_without(std::string_view text, std::initializer_list<std::string_view> names);

// What a JSON string with its quotes says. Nothing where it is no string, malformed, not UTF-8, or has a NUL.
std::optional<std::string> read_json_string(std::string_view quoted);

// A whole number of at least 0, else 0.
std::int64_t read_json_count(std::string_view value);

} // namespace npcchat
