#include "knowledge/word_query.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

TEST(WordQuery, WordsAreQuotedAndOrd) {
    EXPECT_EQ(any_word_of("forge prices"), R"("forge" OR "prices")");
    EXPECT_EQ(any_word_of("Forge, FORGE; forge!"), R"("forge")");
    EXPECT_EQ(any_word_of("J\u00f6rg \u9f8d 7"), "\"j\u00f6rg\" OR \"\u9f8d\" OR \"7\"");
}

TEST(WordQuery, NothingIsSyntax) {
    EXPECT_EQ(any_word_of("\"a\" NEAR(b*) words:c ^d -e +f {g} \\h"),
              R"("near" OR "b" OR "words" OR "c" OR "e" OR "f" OR "g" OR "h")");
    EXPECT_EQ(any_word_of("'; DROP TABLE chunks; --"), R"("drop" OR "table" OR "chunks")");
}

TEST(WordQuery, CommonWordsAreLeftOut) {
    EXPECT_EQ(any_word_of("What does the sword cost?"), R"("sword" OR "cost")");
    EXPECT_EQ(any_word_of("Who are you?"), "");
}

TEST(WordQuery, NoWords) {
    EXPECT_EQ(any_word_of(""), "");
    EXPECT_EQ(any_word_of(" ?!\"' \n"), "");
    EXPECT_EQ(any_word_of(std::string(5000, 'x')), "");
}

TEST(WordQuery, AreBounded) {
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "w" + std::to_string(i) + " ";
    const std::string query = any_word_of(text);
    EXPECT_TRUE(query.ends_with("\"w63\""));
}

} // namespace
} // namespace npcchat
