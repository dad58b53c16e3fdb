#include "digest.hpp"

#include "common/path.hpp"

#include <openssl/evp.h>

namespace npcchat {

namespace {

// OpenSSL 3 looks the algorithm up anew for every EVP_sha256(), which costs more than the hash of a key.
const EVP_MD* sha256_algorithm() noexcept {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    static const EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return algorithm;
#else
    return EVP_sha256();
#endif
}

} // namespace

std::optional<Digest> sha256(std::string_view text) noexcept {
    static EVP_MD_CTX* context = EVP_MD_CTX_new();
    const EVP_MD* algorithm = sha256_algorithm();

    Digest digest;
    if (context == nullptr || algorithm == nullptr || EVP_DigestInit_ex(context, algorithm, nullptr) != 1 ||
        EVP_DigestUpdate(context, text.data(), text.size()) != 1 ||
        EVP_DigestFinal_ex(context, digest.data(), nullptr) != 1) {
        return std::nullopt;
    }
    return digest;
}

void write_hex(const Digest& digest, char* out) noexcept {
    constexpr char digits[] = "0123456789abcdef";
    for (unsigned char byte : digest) {
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
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
