#include "model/balancer.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr RecentLatency::Clock::time_point kStart{1h};

Candidate idle(double weight, std::optional<double> latency = std::nullopt) {
    return Candidate{true, weight, 0, latency};
}

// How often each is chosen in so many calls that end before the next begins.
std::vector<int> counts(Balancer& balancer, const std::vector<Candidate>& candidates, int calls) {
    std::vector<int> chosen(candidates.size());
    for (int i = 0; i < calls; ++i)
        ++chosen.at(balancer.choose(candidates).value());
    return chosen;
}

std::vector<int> counts(const std::vector<Candidate>& candidates, int calls) {
    Balancer balancer;
    return counts(balancer, candidates, calls);
}

TEST(RecentLatency, IsUnknownAtFirst) {
    EXPECT_EQ(RecentLatency().at(kStart), std::nullopt);
}

TEST(RecentLatency, FollowsWhatIsObserved) {
    RecentLatency latency;
    latency.observe(1s, kStart);
    EXPECT_DOUBLE_EQ(*latency.at(kStart), 1);
    for (int i = 0; i < 20; ++i)
        latency.observe(200ms, kStart);
    EXPECT_NEAR(*latency.at(kStart), 0.2, 0.01);
    // One that is out of line does not turn everything round.
    latency.observe(1s, kStart);
    EXPECT_NEAR(*latency.at(kStart), 0.4, 0.01);
}

TEST(RecentLatency, ForgetsWithTime) {
    RecentLatency latency;
    latency.observe(8s, kStart);
    EXPECT_NEAR(*latency.at(kStart + RecentLatency::kHalfLife), 4, 1e-9);
    EXPECT_NEAR(*latency.at(kStart + 3 * RecentLatency::kHalfLife), 1, 1e-9);
    // After a pause the newest says most.
    latency.observe(1s, kStart + 10 * RecentLatency::kHalfLife);
    EXPECT_NEAR(*latency.at(kStart + 10 * RecentLatency::kHalfLife), 1, 0.01);
}

TEST(Balancer, ChoosesNothingWhereNothingIsUsable) {
    Balancer balancer;
    EXPECT_EQ(balancer.choose({}), std::nullopt);
    const std::vector<Candidate> shut = {{false, 1, 0, {}}, {false, 1, 0, {}}};
    EXPECT_EQ(balancer.choose(shut), std::nullopt);
}

TEST(Balancer, LeavesOutWhatIsNotUsable) {
    const std::vector<Candidate> candidates = {{false, 100, 0, {}}, idle(1), {false, 100, 0, {}}};
    EXPECT_EQ(counts(candidates, 10), (std::vector<int>{0, 10, 0}));
}

TEST(Balancer, FollowsWeights) {
    EXPECT_EQ(counts({idle(3), idle(1)}, 400), (std::vector<int>{300, 100}));
    EXPECT_EQ(counts({idle(1), idle(1), idle(2)}, 400), (std::vector<int>{100, 100, 200}));
    // Not in runs: of four calls in a row, one is the light one's.
    Balancer balancer;
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(counts(balancer, {idle(3), idle(1)}, 4), (std::vector<int>{3, 1}));
}

TEST(Balancer, PrefersTheQuick) {
    const auto chosen = counts({idle(1, 0.1), idle(1, 0.9)}, 1000);
    EXPECT_NEAR(chosen[0], 900, 2);
    // Noise of quick ones is no difference.
    EXPECT_EQ(counts({idle(1, 0.0002), idle(1, 0.015)}, 100), (std::vector<int>{50, 50}));
}

TEST(Balancer, TriesTheUnknown) {
    const auto chosen = counts({idle(1, 0.5), idle(1), idle(1, 2)}, 900);
    EXPECT_NEAR(chosen[0], 400, 2);
    EXPECT_NEAR(chosen[1], 400, 2);
    EXPECT_NEAR(chosen[2], 100, 2);
}

TEST(Balancer, PrefersTheIdle) {
    // Eight calls hang at the first: the next eight go to the second.
    EXPECT_EQ(counts({{true, 1, 8, {}}, idle(1)}, 8), (std::vector<int>{0, 8}));
}

TEST(Balancer, ManyAtOnceAreSpreadByWeight) {
    Balancer balancer;
    std::vector<Candidate> candidates = {idle(3), idle(1), idle(2)};
    for (int i = 0; i < 600; ++i)
        ++candidates[balancer.choose(candidates).value()].in_flight;
    EXPECT_NEAR(candidates[0].in_flight, 300, 6);
    EXPECT_NEAR(candidates[1].in_flight, 100, 6);
    EXPECT_NEAR(candidates[2].in_flight, 200, 6);
}

TEST(Balancer, AChangeOfLatenciesTakesEffectAtOnce) {
    Balancer balancer;
    counts(balancer, {idle(1, 0.02), idle(1, 10)}, 100);
    const auto chosen = counts(balancer, {idle(1, 10), idle(1, 0.02)}, 100);
    EXPECT_GE(chosen[1], 97);
}

} // namespace
} // namespace npcchat
