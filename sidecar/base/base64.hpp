// Base64 with padding (RFC 4648, section 4).
#pragma once

#include <openssl/evp.h>
#include <span>
#include <string>

namespace npcchat {

inline std::string to_base64(std::span<const unsigned char> bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0'); // EVP_EncodeBlock writes a NUL behind it
    text.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                                         bytes.data(), static_cast<int>(bytes.size()))));
    return text;
}

} // namespace npcchat
