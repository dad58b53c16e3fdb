#include "digest.hpp"

#include <gtest/gtest.h>

#include <string>

namespace npcchat {
namespace {

std::string hex(std::string_view text) {
    std::string out(digest_hex_size, '\0');
    write_hex(sha256(text), out.data());
    return out;
}

TEST(Digest, IsSha256) {
    // FIPS 180-4's examples.
    EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Digest, HexGoesThereAndBack) {
    Digest digest = sha256("abc");
    EXPECT_EQ(parse_hex(hex("abc")), digest);
    std::string upper = hex("abc");
    for (char& c : upper)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_EQ(parse_hex(upper), digest);
}

TEST(Digest, RefusesWhatIsNotHex) {
    std::string good = hex("abc");
    EXPECT_FALSE(parse_hex(""));
    EXPECT_FALSE(parse_hex(good.substr(1)));
    EXPECT_FALSE(parse_hex(good + "0"));
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = 'g';
        EXPECT_FALSE(parse_hex(bad));
    }
}

} // namespace
} // namespace npcchat
