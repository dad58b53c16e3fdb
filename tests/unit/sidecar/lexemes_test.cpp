#include "knowledge/lexemes.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

std::vector<std::uint32_t> times_of(std::string_view text) {
    std::vector<std::uint32_t> times;
    for (const CountedWord& one : parse_lexemes(text))
        times.push_back(one.times);
    return times;
}

TEST(Lexemes, AreCounted) {
    EXPECT_EQ(times_of("'cost':3 'long':1,7A,9 'sword'"), (std::vector<std::uint32_t>{1, 3, 1}));
    EXPECT_EQ(times_of(""), std::vector<std::uint32_t>{});
}

TEST(Lexemes, AreTheSameWhereverTheyStand) {
    const auto one = parse_lexemes("'long':1 'sword':2");
    const auto other = parse_lexemes("'sword':5,6");
    EXPECT_EQ(one[1].word, other[0].word);
    EXPECT_NE(one[0].word, one[1].word);
}

TEST(Lexemes, MayHaveAnythingInThem) {
    const auto words = parse_lexemes(R"('a b':1 'o''neil':2 'back\\slash':3,4 '''' 'j')");
    ASSERT_EQ(words.size(), 5U);
    EXPECT_EQ(words[2].times, 2U);
    EXPECT_EQ(words[1].word, std::hash<std::string_view>()("o'neil"));
    EXPECT_EQ(words[2].word, std::hash<std::string_view>()("back\\slash"));
    EXPECT_EQ(words[3].word, std::hash<std::string_view>()("'"));
}

TEST(Lexemes, WhatIsNoTsvectorEndsThem) {
    for (const char* text : {"word", "'", "'word", "'it''", "'back\\", " 'a':1"})
        EXPECT_TRUE(parse_lexemes(text).empty()) << text;
    EXPECT_EQ(parse_lexemes("'a':1 b 'c'").size(), 1U);
}

} // namespace
} // namespace npcchat
