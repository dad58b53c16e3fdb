#include "knowledge/scope_vectors.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kDimensions = 64;

// Around some hundred directions, as texts are around topics.
class Vectors {
  public:
    Vector next() {
        const auto& topic = topics_[random_() % topics_.size()];
        std::vector<float> values(topic);
        for (float& value : values)
            value += 0.6F * normal_(random_);
        return quantize(values).value();
    }

  private:
    std::vector<std::vector<float>> make_topics() {
        std::vector<std::vector<float>> topics(100, std::vector<float>(kDimensions));
        for (auto& topic : topics)
            std::ranges::generate(topic, [this] { return normal_(random_); });
        return topics;
    }
    std::mt19937 random_{7};
    std::normal_distribution<float> normal_;
    std::vector<std::vector<float>> topics_ = make_topics();
};

class GrownScope : public ::testing::Test {
  protected:
    void add(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            scope.add(next_id++, vectors.next());
    }
    void grow() {
        ASSERT_TRUE(scope.claim_growth());
        EXPECT_FALSE(scope.claim_growth()); // one at a time
        while (scope.grow(10ms))
            continue;
    }
    // The part of what a scan finds that the graph finds too, among the first ten.
    double recall() {
        std::size_t found = 0;
        constexpr std::size_t kQueries = 100;
        for (std::size_t i = 0; i < kQueries; ++i) {
            const Vector query = vectors.next();
            const auto near = scope.nearest(query, 10);
            EXPECT_TRUE(std::ranges::is_sorted(near, std::greater(), &Ranked::score));
            for (const Ranked& exact : scope.scan(query, 10))
                found += std::ranges::count(near, exact.id, &Ranked::id) == 1;
        }
        return static_cast<double>(found) / (10 * kQueries);
    }

    Vectors vectors;
    ScopeVectors scope{kDimensions, 1000};
    std::int64_t next_id = 1;
};

TEST_F(GrownScope, FewHaveNoGraph) {
    add(999);
    EXPECT_FALSE(scope.claim_growth());
    EXPECT_EQ(recall(), 1.0);
}

TEST_F(GrownScope, TheGraphFindsWhatAScanFinds) {
    add(8000);
    grow();
    EXPECT_FALSE(scope.claim_growth()); // nothing to do
    EXPECT_GE(recall(), 0.98);
}

TEST_F(GrownScope, HalfAGraphFindsAll) {
    add(3000);
    ASSERT_TRUE(scope.claim_growth());
    scope.grow(5ms);
    add(1000);
    EXPECT_GE(recall(), 0.98);
}

TEST_F(GrownScope, WhatIsAddedLaterIsFound) {
    add(2000);
    grow();
    const Vector late = vectors.next();
    scope.add(77'777, late);
    EXPECT_EQ(scope.nearest(late, 1).front().id, 77'777);
    grow();
    EXPECT_EQ(scope.nearest(late, 1).front().id, 77'777);
}

TEST_F(GrownScope, WhatIsGoneIsFoundNeitherWay) {
    add(2000);
    grow();
    add(10);
    const Vector query = vectors.next();
    std::vector<std::int64_t> gone;
    for (const Ranked& one : scope.scan(query, 50))
        gone.push_back(one.id);
    EXPECT_FALSE(scope.remove(gone));
    for (const auto& found : {scope.scan(query, 50), scope.nearest(query, 50)}) {
        EXPECT_EQ(found.size(), 50U);
        for (const Ranked& one : found)
            EXPECT_EQ(std::ranges::count(gone, one.id), 0);
    }
    EXPECT_GE(recall(), 0.98);
}

TEST_F(GrownScope, AllMayBeGone) {
    add(1500);
    grow();
    std::vector<std::int64_t> all;
    for (std::int64_t id = 1; id < next_id; ++id)
        all.push_back(id);
    EXPECT_TRUE(scope.remove(all)); // better read anew
    EXPECT_TRUE(scope.nearest(vectors.next(), 10).empty());
}

TEST_F(GrownScope, AChunkThatCameTwiceIsGivenOnce) {
    const Vector same = vectors.next();
    for (int i = 0; i < 3; ++i)
        scope.add(5, same);
    scope.add(6, vectors.next());
    EXPECT_EQ(scope.scan(same, 10).size(), 2U);
}

TEST_F(GrownScope, MemoryIsCountedWithTheGraph) {
    add(5000);
    const std::size_t before = scope.bytes();
    EXPECT_GE(before, 5000 * kDimensions);
    grow();
    EXPECT_GE(scope.bytes(), before + 5000 * 100);
}

} // namespace
} // namespace npcchat
