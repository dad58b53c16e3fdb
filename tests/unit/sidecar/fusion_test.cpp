#include "knowledge/fusion.hpp"

#include <array>
#include <gtest/gtest.h>

namespace npcchat {
namespace {

using Ids = std::vector<std::int64_t>;

Ids fused(const Ids& one, const Ids& other, double weight = 1) {
    Ids ids;
    for (const Ranked& ranked : fuse(std::array{Ranking{one, 1}, Ranking{other, weight}}))
        ids.push_back(ranked.id);
    return ids;
}

TEST(Fusion, WhatBothHaveComesFirst) {
    EXPECT_EQ(fused({1, 2, 3}, {4, 3, 5}), (Ids{3, 1, 4, 2, 5}));
    EXPECT_EQ(fused({1, 2}, {2, 1}), (Ids{1, 2}));
}

TEST(Fusion, OfOneIsItself) {
    EXPECT_EQ(fused({5, 3, 9}, {}), (Ids{5, 3, 9}));
    EXPECT_EQ(fused({}, {5, 3, 9}), (Ids{5, 3, 9}));
    EXPECT_EQ(fused({}, {}), Ids{});
}

TEST(Fusion, WeightsDecide) {
    EXPECT_EQ(fused({1, 2}, {3, 4}, 2), (Ids{3, 4, 1, 2}));
    EXPECT_EQ(fused({1, 2}, {3, 4}, 0.5), (Ids{1, 2, 3, 4}));
}

} // namespace
} // namespace npcchat
