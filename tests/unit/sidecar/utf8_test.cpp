#include "base/utf8.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace npcchat {
namespace {

using namespace std::string_literals;

std::string encode(char32_t c) {
    const auto tail = [](char32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
    if (c < 0x80) return {static_cast<char>(c)};
    if (c < 0x800) return {static_cast<char>(0xC0 | (c >> 6)), tail(c)};
    if (c < 0x10000) return {static_cast<char>(0xE0 | (c >> 12)), tail(c >> 6), tail(c)};
    return {static_cast<char>(0xF0 | (c >> 18)), tail(c >> 12), tail(c >> 6), tail(c)};
}

TEST(Utf8, AcceptsEveryCodePointButSurrogates) {
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
        const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        ASSERT_EQ(is_valid_utf8(encode(c)), !surrogate) << "U+" << std::hex << static_cast<unsigned>(c);
    }
    EXPECT_FALSE(is_valid_utf8(encode(0x110000)));
}

TEST(Utf8, RefusesMalformedTextAtEveryOffset) {
    const std::vector<std::string> malformed = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC3",
        "\xC3(",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xE2\x82",
        "\xE2\x82(",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xF0\x9F\x98",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
    };
    for (const std::string& bytes : malformed) {
        for (std::size_t before = 0; before < 20; ++before) {
            EXPECT_FALSE(is_valid_utf8(std::string(before, 'a') + bytes));
            EXPECT_FALSE(is_valid_utf8(std::string(before, 'a') + bytes + "tail of some length"));
        }
    }
}

TEST(Utf8, AcceptsOrdinaryText) {
    EXPECT_TRUE(is_valid_utf8(""));
    EXPECT_TRUE(is_valid_utf8("a\0b"s));
    EXPECT_TRUE(is_valid_utf8("Grüße, 龍 \U0001F409 und noch mehr ASCII dahinter, ganz viel davon"));
}

TEST(Utf8, FloorNeverCutsACharacter) {
    const std::string text = "aß龍\U0001F409z";
    const std::vector<std::size_t> expected = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11};
    for (std::size_t at = 0; at < expected.size(); ++at)
        EXPECT_EQ(utf8_floor(text, at), expected[at]) << at;
}

TEST(Utf8, FloorStaysNearInMalformedText) {
    const std::string text(20, '\x80');
    EXPECT_EQ(utf8_floor(text, 10), 10U);
    EXPECT_EQ(utf8_floor(text, 2), 2U);
    EXPECT_EQ(utf8_floor(text, 99), 20U);
}

} // namespace
} // namespace npcchat
