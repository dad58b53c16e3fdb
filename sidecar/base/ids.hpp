// Identifiers and secrets from the system's random source.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace npcchat {

// `bytes` random bytes as base64url without padding (RFC 4648, section 5). Aborts if the source fails:
// nothing safe can be done without it.
std::string random_token(std::size_t bytes);

std::string new_api_key(); // "npc_" and 43 base64url characters, 256 random bits
std::string new_chat_id(); // 22 URL-safe characters, 128 random bits
std::string new_uuid4();   // RFC 9562, version 4, lower case

// SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view data);

// Takes the same time wherever the two differ; their lengths are no secret.
bool equal_constant_time(std::string_view left, std::string_view right);

} // namespace npcchat
