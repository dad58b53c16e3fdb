#include "base/percent.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

TEST(Percent, Decodes) {
    EXPECT_EQ(decode_component(""), "");
    EXPECT_EQ(decode_component("a+b~c"), "a+b~c");
    EXPECT_EQ(decode_component("%41%7a%C3%a9%2F%25"), "Az\u00e9/%");
    EXPECT_EQ(decode_component("%2541"), "%41");
    EXPECT_EQ(decode_component("%00"), "\0"s);
}

TEST(Percent, RefusesTheMalformed) {
    for (const auto& text : {"%"s, "%4"s, "%zz"s, "%4g"s, "a%"s, "%%41"s, "%-1"s, "% 1"s})
        EXPECT_EQ(decode_component(text), std::nullopt) << text;
}

TEST(Percent, EncodesNames) {
    EXPECT_EQ(encode_name("Aela.the_Huntress-7@skyrim"), "Aela.the_Huntress-7@skyrim");
    EXPECT_EQ(encode_name(""), "");
    EXPECT_EQ(encode_name("J\u00f6rg ~:%/"), "J%C3%B6rg%20%7E%3A%25%2F");
    EXPECT_EQ(encode_name("\r\n\0"s), "%0D%0A%00");
}

TEST(Percent, EveryByteComesBack) {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte)
        bytes.push_back(static_cast<char>(byte));
    const std::string encoded = encode_name(bytes);
    for (const char c : encoded)
        EXPECT_TRUE(c > 0x20 && c < 0x7F);
    EXPECT_EQ(decode_component(encoded), bytes);
}

} // namespace
} // namespace npcchat
