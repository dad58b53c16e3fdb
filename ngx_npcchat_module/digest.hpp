// SHA-256 of keys.
#pragma once

#include "hex.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace npcchat {

using Digest = std::array<unsigned char, 32>;

inline constexpr std::size_t digest_hex_size = 64;

Digest sha256(std::string_view text) noexcept;

/// Just `digest_hex_size` hexadecimal characters, in any case.
std::optional<Digest> parse_hex(std::string_view text) noexcept;

} // namespace npcchat
