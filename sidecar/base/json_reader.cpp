#include "base/json_reader.hpp"

#include "base/json_special.hpp"
#include "base/utf8.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

namespace npcchat {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::optional<unsigned> hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

// What a function gives that failed, whatever it would have given.
struct Failure {
    operator bool() const { return false; }
    operator Json() const { return nullptr; }
};

// One pass over a text that is known to be UTF-8. The first failure is kept.
class Reader {
  public:
    Reader(std::string_view text, int max_depth) : text_(text), depth_left_(max_depth) {}

    std::expected<Json, JsonError> read() {
        skip_space();
        Json value = read_value();
        skip_space();
        if (value && at_ != text_.size()) fail();
        if (error_) return std::unexpected(*error_);
        return value;
    }

  private:
    Failure fail(JsonFault fault = JsonFault::syntax) {
        if (!error_) error_ = JsonError{fault, at_};
        return {};
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    bool take(char c) {
        if (peek() != c || at_ == text_.size()) return false;
        ++at_;
        return true;
    }

    void skip_space() {
        while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t')
            ++at_;
    }

    Json read_value() {
        switch (peek()) {
        case '{':
            return nested(&Reader::read_object);
        case '[':
            return nested(&Reader::read_array);
        case '"': {
            const auto string = read_string();
            return Json(string ? json_stringn_nocheck(string->data(), string->size()) : nullptr);
        }
        case 't':
            return read_word("true", json_true());
        case 'f':
            return read_word("false", json_false());
        case 'n':
            return read_word("null", json_null());
        default:
            return read_number();
        }
    }

    Json nested(Json (Reader::*read)()) {
        if (depth_left_ == 0) return fail(JsonFault::depth);
        --depth_left_;
        Json value = (this->*read)();
        ++depth_left_;
        return value;
    }

    Json read_object() {
        Json object(json_object());
        take('{');
        skip_space();
        if (take('}')) return object;
        do {
            skip_space();
            if (!read_member(object.get())) return nullptr;
            skip_space();
        } while (take(','));
        if (!take('}')) return fail();
        return object;
    }

    bool read_member(json_t* object) {
        if (peek() != '"') return fail();
        const auto name = read_string();
        if (!name) return false;
        if (json_object_getn(object, name->data(), name->size())) return fail(JsonFault::duplicate_key);
        // The name may stand in the buffer that the value's strings are put together in.
        const std::string kept(*name);
        skip_space();
        if (!take(':')) return fail();
        skip_space();
        Json value = read_value();
        return value && json_object_setn_new_nocheck(object, kept.data(), kept.size(), value.release()) == 0;
    }

    Json read_array() {
        Json array(json_array());
        take('[');
        skip_space();
        if (take(']')) return array;
        do {
            skip_space();
            Json value = read_value();
            if (!value || json_array_append_new(array.get(), value.release()) != 0) return nullptr;
            skip_space();
        } while (take(','));
        if (!take(']')) return fail();
        return array;
    }

    Json read_word(std::string_view word, json_t* value) {
        if (text_.substr(at_, word.size()) != word) return fail();
        at_ += word.size();
        return Json(value);
    }

    Json read_number() {
        const std::size_t begin = at_;
        take('-');
        if (!take('0') && !skip_digits()) return fail();
        bool is_whole = true;
        if (take('.')) {
            is_whole = false;
            if (!skip_digits()) return fail();
        }
        if (peek() == 'e' || peek() == 'E') {
            is_whole = false;
            ++at_;
            if (!take('+')) take('-');
            if (!skip_digits()) return fail();
        }
        return number_of(text_.substr(begin, at_ - begin), is_whole);
    }

    bool skip_digits() {
        const std::size_t begin = at_;
        while (is_digit(peek()))
            ++at_;
        return at_ > begin;
    }

    Json number_of(std::string_view digits, bool is_whole) {
        const char* const end = digits.data() + digits.size();
        if (std::int64_t integer = 0;
            is_whole && std::from_chars(digits.data(), end, integer).ec == std::errc()) {
            return Json(json_integer(integer));
        }
        // from_chars does not tell too large from too small.
        const double real = std::strtod(std::string(digits).c_str(), nullptr);
        if (!std::isfinite(real)) return fail();
        return Json(json_real(real));
    }

    // Without its quotes. A view into the text, or, where there are escapes, into unescaped_.
    std::optional<std::string_view> read_string() {
        ++at_; // the quote
        const std::size_t begin = at_;
        skip_plain();
        if (peek() == '"') {
            const std::string_view whole = text_.substr(begin, at_ - begin);
            ++at_;
            return whole;
        }
        unescaped_.assign(text_, begin, at_ - begin);
        while (peek() == '\\') {
            ++at_;
            if (!read_escape()) return std::nullopt;
            const std::size_t plain = at_;
            skip_plain();
            unescaped_.append(text_, plain, at_ - plain);
        }
        if (!take('"')) {
            fail();
            return std::nullopt;
        }
        return unescaped_;
    }

    void skip_plain() { at_ = find_json_special(text_, at_); }

    bool read_escape() {
        constexpr std::string_view kNames = "\"\\/bfnrt";
        constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
        const char c = peek();
        if (c == 'u') return read_unicode_escape();
        const auto found = c == '\0' ? kNames.npos : kNames.find(c);
        if (found == kNames.npos) return fail();
        unescaped_ += kMeanings[found];
        ++at_;
        return true;
    }

    // \uXXXX, and where that is the first half of a surrogate pair, the second half too.
    bool read_unicode_escape() {
        auto code = read_code_unit();
        if (!code) return fail();
        if (*code == 0) return fail(JsonFault::nul);
        if (*code >= 0xDC00 && *code <= 0xDFFF) return fail();
        if (*code >= 0xD800 && *code <= 0xDBFF) {
            if (!take('\\')) return fail();
            const auto low = read_code_unit();
            if (!low || *low < 0xDC00 || *low > 0xDFFF) return fail();
            *code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
        }
        append_utf8(*code);
        return true;
    }

    std::optional<unsigned> read_code_unit() {
        if (!take('u') || text_.size() - at_ < 4) return std::nullopt;
        unsigned code = 0;
        for (int i = 0; i < 4; ++i) {
            const auto digit = hex_digit(text_[at_++]);
            if (!digit) return std::nullopt;
            code = code * 16 + *digit;
        }
        return code;
    }

    void append_utf8(unsigned code) {
        const auto continuation = [&](int shift) {
            unescaped_ += static_cast<char>(0x80 | ((code >> shift) & 0x3F));
        };
        if (code < 0x80) {
            unescaped_ += static_cast<char>(code);
        } else if (code < 0x800) {
            unescaped_ += static_cast<char>(0xC0 | (code >> 6));
            continuation(0);
        } else if (code < 0x10000) {
            unescaped_ += static_cast<char>(0xE0 | (code >> 12));
            continuation(6);
            continuation(0);
        } else {
            unescaped_ += static_cast<char>(0xF0 | (code >> 18));
            continuation(12);
            continuation(6);
            continuation(0);
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int depth_left_;
    std::string unescaped_;
    std::optional<JsonError> error_;
};

} // namespace

std::expected<Json, JsonError> read_json(std::string_view text, int max_depth) {
    if (!is_valid_utf8(text)) return std::unexpected(JsonError{JsonFault::utf8, 0});
    return Reader(text, max_depth).read();
}

} // namespace npcchat
