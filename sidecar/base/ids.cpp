#include "base/ids.hpp"

#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <vector>

namespace npcchat {
namespace {

void fill_random(unsigned char* out, std::size_t size) {
    if (RAND_bytes(out, static_cast<int>(size)) != 1) std::abort();
}

std::string base64url(const unsigned char* data, std::size_t size) {
    static constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text;
    text.reserve((size * 4 + 2) / 3);
    unsigned bits = 0;
    int held = 0;
    for (std::size_t i = 0; i < size; ++i) {
        bits = (bits << 8) | data[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            text.push_back(kAlphabet[(bits >> held) & 63]);
        }
    }
    if (held > 0) text.push_back(kAlphabet[(bits << (6 - held)) & 63]);
    return text;
}

} // namespace

std::string random_token(std::size_t bytes) {
    std::vector<unsigned char> data(bytes);
    fill_random(data.data(), data.size());
    return base64url(data.data(), data.size());
}

std::string new_api_key() {
    return "npc_" + random_token(32);
}

std::string new_chat_id() {
    return random_token(16);
}

std::string new_uuid4() {
    std::array<unsigned char, 16> data{};
    fill_random(data.data(), data.size());
    data[6] = static_cast<unsigned char>((data[6] & 0x0F) | 0x40);
    data[8] = static_cast<unsigned char>((data[8] & 0x3F) | 0x80);
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < data.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
        fmt::format_to(std::back_inserter(text), "{:02x}", data[i]);
    }
    return text;
}

std::string sha256_hex(std::string_view data) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data());
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(digest.size() * 2);
    for (const unsigned char byte : digest) {
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
    }
    return text;
}

bool equal_constant_time(std::string_view left, std::string_view right) {
    return left.size() == right.size() && CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

} // namespace npcchat
