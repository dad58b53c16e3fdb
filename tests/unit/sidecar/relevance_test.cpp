#include "knowledge/relevance.hpp"

#include "knowledge/embedder.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

TEST(Relevance, IsAboveWhatUnrelatedTextsHave) {
    const auto count = unrelated_texts("").size();
    // Half of the passages at right angles to all messages, half at 60 degrees.
    std::vector<std::vector<float>> vectors(count, {2, 0});
    for (std::size_t i = count / 2; i < count; ++i)
        vectors[i] = i % 2 == 0 ? std::vector<float>{0, 3} : std::vector<float>{0.5F, 0.8660254F};
    EXPECT_NEAR(unrelated_below(vectors), 0.25 + 1.5 * 0.25, 1e-6);
}

TEST(Relevance, NoVectorsAtAll) {
    const std::vector<std::vector<float>> vectors(unrelated_texts("").size(), {0, 0});
    EXPECT_EQ(unrelated_below(vectors), 0);
}

TEST(Relevance, MessagesHaveThePrefix) {
    const auto texts = unrelated_texts("ask: ");
    EXPECT_TRUE(texts.front().starts_with("ask: "));
    EXPECT_FALSE(texts.back().starts_with("ask: "));
    EXPECT_LE(texts.size(), Embedder::kMaxTexts);
}

TEST(QueryPrefix, IsOfEnglishBgeAlone) {
    for (const char* model : {"BAAI/bge-small-en-v1.5", "bge-large-en", "/data/BGE-base-EN-v1.5"})
        EXPECT_TRUE(query_prefix(model).starts_with("Represent this sentence")) << model;
    for (const char* model : {"", "BAAI/bge-m3", "BAAI/bge-small-zh-v1.5", "bge-en/other", "e5-small-en"})
        EXPECT_EQ(query_prefix(model), "") << model;
}

} // namespace
} // namespace npcchat
