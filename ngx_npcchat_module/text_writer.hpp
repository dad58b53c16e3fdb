// Texts and numbers one after the other, in memory that has room for them: nginx's formats, and the standard
// library's conversions, cost several times as much.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace npcchat {

/// Bytes that a number takes at most, with its sign.
inline constexpr std::size_t decimal_max = 20;
/// The same for `TextWriter::add_seconds`: three digits less, but a point and, below a second, two zeros.
inline constexpr std::size_t seconds_max = decimal_max + 1;

namespace detail {

/// "00" to "99".
inline constexpr auto digit_pairs = [] {
    struct {
        char text[200];
    } pairs{};
    for (std::size_t i = 0; i < 100; ++i) {
        pairs.text[2 * i] = static_cast<char>('0' + i / 10);
        pairs.text[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
}();

inline void write_pair(char* out, std::uint64_t number) noexcept {
    std::memcpy(out, &digit_pairs.text[2 * number], 2);
}

constexpr std::size_t decimal_size(std::uint64_t number) noexcept {
    for (std::size_t size = 1;; size += 4, number /= 10000) {
        if (number < 10) return size;
        if (number < 100) return size + 1;
        if (number < 1000) return size + 2;
        if (number < 10000) return size + 3;
    }
}

} // namespace detail

class TextWriter {
  public:
    explicit TextWriter(char* at) noexcept : begin_(at), at_(at) {}

    /// A literal, whose size the compiler knows.
    template <std::size_t size> void add(const char (&text)[size]) noexcept {
        std::memcpy(at_, text, size - 1);
        at_ += size - 1;
    }

    void add(std::string_view text) noexcept {
        if (!text.empty()) std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }

    void add(char c) noexcept { *at_++ = c; }

    void add(std::int64_t number) noexcept {
        auto rest = static_cast<std::uint64_t>(number);
        if (number < 0) {
            add('-');
            rest = 0 - rest;
        }
        if (rest < 10) {
            add(static_cast<char>('0' + rest));
        } else {
            add_long(rest);
        }
    }

    /// Milliseconds, not negative, as seconds with three decimals.
    void add_seconds(std::int64_t milliseconds) noexcept {
        add(milliseconds / 1000);
        auto rest = static_cast<std::uint64_t>(milliseconds % 1000);
        add('.');
        add(static_cast<char>('0' + rest / 100));
        detail::write_pair(at_, rest % 100);
        at_ += 2;
    }

    /// Texts and numbers one after the other.
    template <typename... Parts> void write(const Parts&... parts) noexcept { (add(parts), ...); }

    /// What was added since the last call.
    std::string_view take() noexcept {
        std::string_view text{begin_, static_cast<std::size_t>(at_ - begin_)};
        begin_ = at_;
        return text;
    }

    /// Whether nothing was added since the last `take`.
    bool empty() const noexcept { return at_ == begin_; }

  private:
    /// Not inlined: in the many places where numbers are written it would take more of the processor's cache
    /// than the calls cost.
    [[gnu::noinline]] void add_long(std::uint64_t number) noexcept {
        char* end = at_ + detail::decimal_size(number);
        char* out = end;
        for (; number >= 100; number /= 100) {
            out -= 2;
            detail::write_pair(out, number % 100);
        }
        if (number >= 10) {
            detail::write_pair(out - 2, number);
        } else {
            out[-1] = static_cast<char>('0' + number);
        }
        at_ = end;
    }

    char* begin_;
    char* at_;
};

/// Takes what a TextWriter takes, and counts the memory that one needs for it at most.
class TextRoom {
  public:
    template <std::size_t size> void add(const char (&)[size]) noexcept { size_ += size - 1; }
    void add(std::string_view text) noexcept { size_ += text.size(); }
    void add(char) noexcept { ++size_; }
    void add(std::int64_t) noexcept { size_ += decimal_max; }
    void add_seconds(std::int64_t) noexcept { size_ += seconds_max; }
    template <typename... Parts> void write(const Parts&... parts) noexcept { (add(parts), ...); }

    std::size_t size() const noexcept { return size_; }

  private:
    std::size_t size_ = 0;
};

} // namespace npcchat
