#include "knowledge/chunker.hpp"

#include "base/utf8.hpp"
#include "chat/tokens.hpp"

#include <gtest/gtest.h>
#include <random>

namespace npcchat {
namespace {

using Texts = std::vector<std::string>;

Texts texts_of(std::string_view text, ChunkSizes sizes = {}) {
    Texts texts;
    for (const Chunk& chunk : cut_into_chunks("", text, sizes))
        texts.emplace_back(chunk.text);
    return texts;
}

std::string sentences(int count, std::string_view word = "word") {
    std::string text;
    for (int i = 0; i < count; ++i)
        text += "Sentence number " + std::to_string(i) + " has a " + std::string(word) + " of its own. ";
    return text;
}

TEST(Chunker, AShortTextIsOneChunk) {
    EXPECT_EQ(texts_of("The forge opens at dawn."), Texts{"The forge opens at dawn."});
    EXPECT_EQ(texts_of("\n\n  The forge.\n\n"), Texts{"The forge."});
    EXPECT_EQ(texts_of("One.\n\nTwo.\n\n- three\n- four"), Texts{"One.\n\nTwo.\n\n- three\n- four"});
}

TEST(Chunker, WhiteSpaceIsNoChunk) {
    EXPECT_TRUE(texts_of("").empty());
    EXPECT_TRUE(texts_of(" \n\t\r\n ").empty());
}

TEST(Chunker, EveryWordIsInAChunkAndNoChunkIsTooLong) {
    const std::string text = sentences(400);
    const Texts texts = texts_of(text);
    EXPECT_GT(texts.size(), 10U);
    std::size_t at = 0;
    for (const std::string& chunk : texts) {
        EXPECT_LE(estimate_tokens(chunk), 256U);
        const auto found = text.find(chunk);
        ASSERT_NE(found, text.npos);
        EXPECT_LE(found, at + 1); // no gap but the space between two sentences
        at = found + chunk.size();
    }
    EXPECT_EQ(at, text.size() - 1);
}

TEST(Chunker, ChunksOverlapBySentences) {
    const Texts texts = texts_of(sentences(60));
    for (std::size_t i = 1; i < texts.size(); ++i) {
        const std::string first = texts[i].substr(0, texts[i].find('.') + 1);
        EXPECT_TRUE(first.starts_with("Sentence")) << first;
        EXPECT_TRUE(texts[i - 1].contains(first)) << first;
        EXPECT_FALSE(texts[i - 1].starts_with(first)) << first;
    }
}

TEST(Chunker, SectionsBeginChunksAndAreNamed) {
    const std::string text = "Before.\n\n# Forge\n\n" + sentences(15) + "\n\n## Prices ##\n\n" +
                             sentences(15) + "\n# Stable\nHay.";
    const auto chunks = cut_into_chunks("The village", text, {128, 16});
    EXPECT_EQ(chunks.front().heading, "The village");
    bool prices = false;
    for (const Chunk& chunk : chunks) {
        if (!chunk.text.contains("## Prices")) continue;
        EXPECT_TRUE(chunk.text.starts_with("## Prices ##\n")) << chunk.text;
        EXPECT_EQ(chunk.heading, "The village > Forge > Prices");
        prices = true;
    }
    EXPECT_TRUE(prices);
    EXPECT_TRUE(chunks.back().text.contains("Hay."));
    EXPECT_TRUE(chunks.back().heading.ends_with("Stable") || chunks.back().heading.ends_with("Prices"));
}

TEST(Chunker, AHeadingIsNotLeftBehind) {
    std::string text;
    for (int i = 0; i < 30; ++i)
        text += "# Part " + std::to_string(i) + "\n\n" + sentences(4) + "\n\n";
    for (const std::string& chunk : texts_of(text, {100, 10}))
        EXPECT_FALSE(chunk.substr(chunk.rfind('\n') + 1).starts_with("#")) << chunk;
}

TEST(Chunker, FencedBlocksHaveNoHeadings) {
    const std::string text = "# A\n```\n# not a heading\nline. Another. Third.\n```\nAfter.";
    const auto chunks = cut_into_chunks("", text);
    ASSERT_EQ(chunks.size(), 1U);
    EXPECT_EQ(chunks[0].heading, "A");
    EXPECT_EQ(chunks[0].text, text);
}

TEST(Chunker, TextsWithoutSpacesAreCutBetweenCharacters) {
    std::string dense;
    for (int i = 0; i < 3000; ++i)
        dense += "\u9f8d";
    const Texts texts = texts_of(dense);
    EXPECT_GT(texts.size(), 3U);
    for (const std::string& chunk : texts) {
        EXPECT_TRUE(is_valid_utf8(chunk));
        EXPECT_LE(estimate_tokens(chunk), 256U);
    }
    EXPECT_GT(texts_of(std::string(10'000, 'x')).size(), 9U);
}

TEST(Chunker, ChineseSentencesEnd) {
    std::string text;
    for (int i = 0; i < 80; ++i)
        text += "\u94c1\u5320\u5728\u9ece\u660e\u65f6\u5f00\u95e8\u3002";
    for (const std::string& chunk : texts_of(text))
        EXPECT_TRUE(chunk.ends_with("\u3002"));
}

TEST(Chunker, LongTitlesAreCutBetweenCharacters) {
    std::string title;
    for (int i = 0; i < 200; ++i)
        title += "\u00e4";
    const auto chunks = cut_into_chunks(title + "x", "# " + title + "\nText.");
    ASSERT_EQ(chunks.size(), 1U);
    EXPECT_TRUE(is_valid_utf8(chunks[0].heading));
    EXPECT_LE(chunks[0].heading.size(), 256U);
}

TEST(Chunker, AnyTextIsCut) {
    std::mt19937 random(7);
    constexpr std::string_view kPieces[] = {"# ",     "\n",     "```",  ". ",           "- ", "word ",
                                            "\u00e9", "\u3002", "\n\n", "1. ",          "\t", "x",
                                            "#",      "~~~\n",  "\r\n", "averylongword"};
    for (int round = 0; round < 300; ++round) {
        std::string text;
        for (unsigned i = random() % 400; i > 0; --i)
            text += kPieces[random() % std::size(kPieces)];
        std::size_t words = 0;
        for (const Chunk& chunk : cut_into_chunks("t", text, {16 + random() % 64, random() % 16})) {
            EXPECT_TRUE(is_valid_utf8(chunk.text));
            EXPECT_FALSE(chunk.text.empty());
            EXPECT_GE(chunk.text.data(), text.data());
            ++words;
        }
        EXPECT_EQ(words == 0, text.find_first_not_of(" \t\r\n") == text.npos);
    }
}

} // namespace
} // namespace npcchat
