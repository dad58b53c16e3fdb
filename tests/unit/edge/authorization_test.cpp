#include "authorization.hpp"

#include <gtest/gtest.h>

#include <string>

namespace npcchat {
namespace {

TEST(Authorization, BareAndBearerMeanTheSame) {
    for (std::string_view value : {"abc", "Bearer abc", "bearer abc", "BEARER abc", "bEaReR    abc"}) {
        Authorization parsed = parse_authorization(value);
        EXPECT_TRUE(parsed.ours) << value;
        EXPECT_EQ(parsed.key, "abc") << value;
    }
}

TEST(Authorization, AnyOtherSchemeIsNotOurs) {
    for (std::string_view value :
         {"Basic abc", "Token abc", "Bearers abc", "Beare abc", " abc", "Digest a=b, c=d"}) {
        Authorization parsed = parse_authorization(value);
        EXPECT_FALSE(parsed.ours) << value;
        EXPECT_TRUE(parsed.key.empty()) << value;
    }
}

TEST(Authorization, AnUnusableKeyIsOursButNoKey) {
    for (std::string value :
         {std::string(), std::string("Bearer "), std::string("Bearer a b"), std::string("a\tb"),
          std::string("Bearer a\x7F"), std::string("\xC3\xA9"), std::string("a\0b", 3), std::string(257, 'x'),
          "Bearer " + std::string(257, 'x')}) {
        Authorization parsed = parse_authorization(value);
        EXPECT_TRUE(parsed.ours) << value;
        EXPECT_TRUE(parsed.key.empty()) << value;
    }
}

TEST(Authorization, KeysGoFromOneTo256Bytes) {
    EXPECT_EQ(parse_authorization("x").key.size(), 1U);
    EXPECT_EQ(parse_authorization(std::string(256, 'x')).key.size(), 256U);
    EXPECT_EQ(parse_authorization("Bearer " + std::string(256, 'x')).key.size(), 256U);
}

TEST(Authorization, EveryPrintableCharacterMayBeInAKey) {
    for (int c = 0; c < 256; ++c) {
        std::string key = {'k', static_cast<char>(c), 'k'};
        EXPECT_EQ(is_key(key), c >= 0x21 && c <= 0x7E) << c;
    }
}

TEST(Authorization, ASchemeAloneIsAKeyByItsForm) {
    EXPECT_EQ(parse_authorization("Bearer").key, "Bearer");
}

} // namespace
} // namespace npcchat
