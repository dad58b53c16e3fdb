// Bytes as hexadecimal digits.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>

namespace npcchat {

/// Two lower-case digits a byte, without a NUL. By arithmetic, and on copies whose sizes are known: compilers
/// work on many bytes at a time then.
template <std::size_t size> void write_hex(const std::array<unsigned char, size>& bytes, char* out) noexcept {
    unsigned char digits[2 * size];
    for (std::size_t i = 0; i < size; ++i) {
        digits[2 * i] = bytes[i] >> 4;
        digits[2 * i + 1] = bytes[i] & 15;
    }
    for (unsigned char& digit : digits)
        digit = static_cast<unsigned char>(digit + (digit > 9 ? 'a' - 10 : '0'));
    std::memcpy(out, digits, sizeof(digits));
}

} // namespace npcchat
