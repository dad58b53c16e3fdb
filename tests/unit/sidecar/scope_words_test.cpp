#include "knowledge/scope_words.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace npcchat {
namespace {

using Ids = std::vector<std::int64_t>;
using Words = std::vector<std::uint64_t>;

Ids ids_of(const std::vector<Ranked>& ranked) {
    Ids ids;
    for (const Ranked& one : ranked)
        ids.push_back(one.id);
    return ids;
}

class ScopeWordsTest : public ::testing::Test {
  protected:
    Ids best(const Words& words, std::size_t most = 10) {
        return ids_of(ScopeWords::best({scope}, words, most));
    }
    std::shared_ptr<ScopeWords> scope = std::make_shared<ScopeWords>();
};

TEST_F(ScopeWordsTest, AnyWordWillDoAndMoreAreBetter) {
    scope->add(1, {{10, 1}, {11, 1}});
    scope->add(2, {{10, 1}, {12, 1}});
    scope->add(3, {{13, 1}, {14, 1}});
    EXPECT_EQ(best({10, 12}), (Ids{2, 1}));
    EXPECT_EQ(best({14}), Ids{3});
    EXPECT_EQ(best({99}), Ids{});
    EXPECT_EQ(best({}), Ids{});
    EXPECT_EQ(best({10, 10, 12, 12}), (Ids{2, 1})); // a word counts once
    EXPECT_EQ(best({10, 12}, 1), Ids{2});
}

TEST_F(ScopeWordsTest, RareWordsFrequentOnesAndShortChunksAreBetter) {
    for (std::int64_t id = 1; id <= 30; ++id)
        scope->add(id, {{1, 1}, {2, 1}});
    scope->add(40, {{3, 1}, {2, 1}}); // has the rare word
    EXPECT_EQ(best({1, 3}, 1), Ids{40});
    scope->add(41, {{4, 3}, {2, 1}});
    scope->add(42, {{4, 1}, {2, 3}});
    scope->add(43, {{4, 1}, {2, 13}});
    EXPECT_EQ(best({4}), (Ids{41, 42, 43}));
}

// https://en.wikipedia.org/wiki/Okapi_BM25
TEST_F(ScopeWordsTest, ScoresAreBm25s) {
    scope->add(1, {{1, 2}, {2, 4}});
    scope->add(2, {{2, 4}});
    const auto found = ScopeWords::best({scope}, {1}, 10);
    ASSERT_EQ(found.size(), 1U);
    const double weight = std::log(1 + (2 - 1 + 0.5) / (1 + 0.5));
    EXPECT_NEAR(found[0].score, weight * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 6 / 5)), 1e-6);
}

TEST_F(ScopeWordsTest, WhatIsGoneIsNotFound) {
    for (std::int64_t id = 1; id <= 5; ++id)
        scope->add(id, {{1, 1}});
    EXPECT_FALSE(scope->remove({1, 2}));
    EXPECT_EQ(best({1}), (Ids{3, 4, 5}));
    EXPECT_EQ(best({1}, 2), (Ids{3, 4}));
    Ids many(2000);
    std::ranges::generate(many, [id = 100] mutable { return id++; });
    EXPECT_TRUE(scope->remove(many));
}

TEST_F(ScopeWordsTest, ScopesAreRankedAsOne) {
    auto other = std::make_shared<ScopeWords>();
    scope->add(1, {{1, 1}, {2, 1}});
    for (std::int64_t id = 10; id < 20; ++id)
        other->add(id, {{1, 1}, {3, 1}});
    other->add(20, {{2, 1}, {3, 1}});
    EXPECT_EQ(ids_of(ScopeWords::best({scope, other}, {1, 2}, 3)), (Ids{1, 20, 10}));
    EXPECT_EQ(ids_of(ScopeWords::best({other, scope}, {1, 2}, 3)), (Ids{1, 20, 10}));
    EXPECT_TRUE(ScopeWords::best({}, {1}, 3).empty());
}

// Of common words so many are passed over that a question stays quick, and never the rarest.
TEST_F(ScopeWordsTest, CommonWordsArePassedOver) {
    constexpr std::int64_t kChunks = 200'000;
    for (std::int64_t id = 0; id < kChunks; ++id)
        scope->add(id, {{1, 1}, {2, id == 7 ? 2U : 1U}, {id == kChunks / 2 ? 3U : 4U, 1}});
    EXPECT_EQ(best({1, 2, 3}, 1), Ids{kChunks / 2});
    EXPECT_EQ(best({2}, 1), Ids{7});
    EXPECT_GT(scope->bytes(), std::size_t{3 * 4 * kChunks});
}

} // namespace
} // namespace npcchat
