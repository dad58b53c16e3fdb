// OpenSSL 3's EVP allocates and frees its state for each hash, which costs more than the hash of a key: five
// times as much for a request whose key is cached.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "digest.hpp"

#include "common/path.hpp"

#include <openssl/sha.h>

namespace npcchat {

Digest sha256(std::string_view text) noexcept {
    SHA256_CTX context;
    Digest digest;
    SHA256_Init(&context);
    SHA256_Update(&context, text.data(), text.size());
    SHA256_Final(digest.data(), &context);
    return digest;
}

std::optional<Digest> parse_hex(std::string_view text) noexcept {
    if (text.size() != digest_hex_size) return std::nullopt;

    Digest digest;
    for (std::size_t i = 0; i < digest.size(); ++i) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        digest[i] = static_cast<unsigned char>(high * 16 + low);
    }
    return digest;
}

} // namespace npcchat
