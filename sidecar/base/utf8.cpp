#include "base/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace npcchat {
namespace {

bool is_continuation(unsigned char byte) {
    return (byte & 0xC0) == 0x80;
}

// Most text is ASCII: eight bytes at a time.
std::size_t skip_ascii(std::string_view text, std::size_t at) {
    constexpr std::uint64_t high_bits = 0x8080808080808080;
    while (text.size() - at >= sizeof(std::uint64_t)) {
        std::uint64_t word;
        std::memcpy(&word, text.data() + at, sizeof word);
        if ((word & high_bits) != 0) break;
        at += sizeof word;
    }
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80)
        ++at;
    return at;
}

// The allowed second bytes of a sequence (RFC 3629, section 4): this is what rules out overlong forms,
// surrogates and what lies above U+10FFFF.
bool second_byte_fits(unsigned char lead, unsigned char second) {
    switch (lead) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return is_continuation(second);
    }
}

std::size_t sequence_size(unsigned char lead) {
    if (lead >= 0xC2 && lead <= 0xDF) return 2;
    if (lead >= 0xE0 && lead <= 0xEF) return 3;
    if (lead >= 0xF0 && lead <= 0xF4) return 4;
    return 0;
}

bool is_sequence(std::string_view bytes) {
    if (!second_byte_fits(static_cast<unsigned char>(bytes[0]), static_cast<unsigned char>(bytes[1])))
        return false;
    for (const char byte : bytes.substr(2)) {
        if (!is_continuation(static_cast<unsigned char>(byte))) return false;
    }
    return true;
}

} // namespace

bool is_valid_utf8(std::string_view text) {
    std::size_t at = skip_ascii(text, 0);
    while (at < text.size()) {
        const std::size_t size = sequence_size(static_cast<unsigned char>(text[at]));
        if (size == 0 || text.size() - at < size || !is_sequence(text.substr(at, size))) return false;
        at = skip_ascii(text, at + size);
    }
    return true;
}

std::size_t utf8_floor(std::string_view text, std::size_t at) {
    if (at >= text.size()) return text.size();
    for (std::size_t back = 0; back <= 3 && back <= at; ++back) {
        if (!is_continuation(static_cast<unsigned char>(text[at - back]))) return at - back;
    }
    return at;
}

} // namespace npcchat
