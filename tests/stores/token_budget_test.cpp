// The contract of TokenBudget. Its arithmetic is tested, at every time of the day, in token_account_test.cpp.
#include "tests/stores/backends.hpp"

namespace npcchat::testing {
namespace {

constexpr Millis kMinute = 60'000;

class TokenBudgets : public ::testing::TestWithParam<Kind> {
  protected:
    Result<Reservation> reserve(TokenLimits limits, std::int64_t least, std::int64_t reserved) {
        return loop.run(node.tokens().reserve(user, limits, {least, reserved}));
    }
    Reservation granted(TokenLimits limits, std::int64_t least, std::int64_t reserved) {
        return reserve(limits, least, reserved).value();
    }
    // Seconds to wait; 0 where it is granted, -1 for another error.
    int wait_for(TokenLimits limits, std::int64_t least, std::int64_t reserved) {
        const auto answer = reserve(limits, least, reserved);
        if (answer) return 0;
        return answer.error().status == 429 ? answer.error().retry_after : -1;
    }
    void settle(const Reservation& reservation, std::int64_t used) {
        loop.run(node.tokens().settle(reservation, used));
    }

    Loop loop; // outlives what runs on it
    Home home{GetParam()};
    Node node{loop, home};
    UserId user = new_user(loop, node, GetParam());
};

INSTANTIATE_TEST_SUITE_P(All, TokenBudgets,
                         ::testing::Values(Kind::sqlite, Kind::postgresql, Kind::redis, Kind::redis_cluster),
                         kind_name);

TEST_P(TokenBudgets, AMinuteHoldsItsTokens) {
    const TokenLimits limits{600, 0, 0};
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(wait_for(limits, 200, 200), 0);
    const int wait = wait_for(limits, 100, 100);
    EXPECT_GE(wait, 8);
    EXPECT_LE(wait, 10);
    EXPECT_EQ(wait_for(limits, 601, 601), 60);
}

TEST_P(TokenBudgets, WhatIsNotUsedComesBack) {
    const TokenLimits limits{600, 700, 0};
    const Reservation first = granted(limits, 1, 600);
    EXPECT_GT(wait_for(limits, 100, 100), 0);
    settle(first, 100);
    const Reservation second = granted(limits, 490, 490);
    EXPECT_GT(wait_for(limits, 200, 200), 0);
    settle(second, 0);
    settle(second, 0); // the second time it does nothing
    EXPECT_EQ(wait_for(limits, 490, 490), 0);
    EXPECT_GT(wait_for(limits, 150, 150), 0);
}

TEST_P(TokenBudgets, WhatIsUsedBeyondIsOwed) {
    const TokenLimits limits{600, 0, 0};
    settle(granted(limits, 1, 1), 1200);
    const int wait = wait_for(limits, 1, 1);
    EXPECT_GE(wait, 58);
    EXPECT_LE(wait, 61);
}

TEST_P(TokenBudgets, TokensComeBackEvenly) {
    const TokenLimits limits{60'000, 0, 0}; // a token every millisecond
    EXPECT_EQ(wait_for(limits, 60'000, 60'000), 0);
    EXPECT_EQ(wait_for(limits, 1500, 1500), 2);
    const auto begun = Clock::now();
    EXPECT_TRUE(loop.poll(
        kPatience, [&] { return node.tokens().reserve(user, limits, {500, 500}); },
        [](const auto& answer) { return answer.has_value(); }));
    EXPECT_GE(Clock::now() - begun, 300ms);
}

TEST_P(TokenBudgets, ADayHoldsItsTokens) {
    const Millis left = kDayMillis - now_ms() % kDayMillis;
    if (left < kMinute) GTEST_SKIP() << "midnight is near";
    const TokenLimits limits{0, 1000, 0};
    EXPECT_EQ(wait_for(limits, 900, 900), 0);
    const int wait = wait_for(limits, 101, 101);
    EXPECT_NEAR(wait, static_cast<int>(left / 1000), 30);
    EXPECT_EQ(wait_for(limits, 100, 100), 0);
    EXPECT_GT(wait_for(limits, 1, 1), 0);
    EXPECT_EQ(wait_for({}, 1'000'000, 1'000'000), 0);
}

TEST_P(TokenBudgets, SoManyChatsAtOnce) {
    const TokenLimits limits{0, 0, 2};
    const Reservation first = granted(limits, 1, 1);
    const Reservation second = granted(limits, 1, 1);
    EXPECT_NE(first.id, second.id);
    EXPECT_EQ(wait_for(limits, 1, 1), 1);
    settle(second, 1);
    EXPECT_EQ(wait_for(limits, 1, 1), 0);
    EXPECT_EQ(wait_for(limits, 1, 1), 1);
}

TEST_P(TokenBudgets, WhatIsNeverRefusedMakesDebts) {
    const TokenLimits limits{600, 1000, 1};
    EXPECT_EQ(wait_for(limits, 600, 600), 0);
    settle(granted(limits, 0, 600), 300);
    const int wait = wait_for({600, 0, 0}, 1, 1);
    EXPECT_GE(wait, 28);
    EXPECT_LE(wait, 31);
}

TEST_P(TokenBudgets, EachUserHasItsOwn) {
    const TokenLimits limits{100, 100, 1};
    EXPECT_EQ(wait_for(limits, 100, 100), 0);
    user = new_user(loop, node, GetParam());
    EXPECT_EQ(wait_for(limits, 100, 100), 0);
}

TEST_P(TokenBudgets, AllAtOnceGetNoMoreThanThereIs) {
    const TokenLimits limits{1000, 0, 0};
    std::vector<Outcome<Result<Reservation>>> outcomes;
    for (int i = 0; i < 50; ++i)
        outcomes.push_back(loop.start(node.tokens().reserve(user, limits, {100, 100})));
    int granted = 0;
    for (const auto& outcome : outcomes)
        granted += loop.finish(outcome).has_value();
    EXPECT_EQ(granted, 10);
}

class RedisTokenBudgets : public TokenBudgets {};
INSTANTIATE_TEST_SUITE_P(All, RedisTokenBudgets, ::testing::Values(Kind::redis, Kind::redis_cluster),
                         kind_name);

TEST_P(RedisTokenBudgets, TenSidecarsGrantWhatOneWould) {
    std::vector<std::unique_ptr<Node>> nodes;
    for (int i = 0; i < 10; ++i)
        nodes.push_back(std::make_unique<Node>(loop, home));
    const TokenLimits limits{1000, 100'000, 8};
    std::vector<Outcome<Result<Reservation>>> outcomes;
    for (int i = 0; i < 60; ++i)
        outcomes.push_back(
            loop.start(nodes[static_cast<std::size_t>(i % 10)]->tokens().reserve(user, limits, {1, 100})));
    std::vector<Reservation> granted;
    for (const auto& outcome : outcomes) {
        const auto answer = loop.finish(outcome);
        if (answer) granted.push_back(*answer);
    }
    EXPECT_EQ(granted.size(), 8U);
    // And any of them settles what another has reserved.
    for (std::size_t i = 0; i < granted.size(); ++i)
        loop.run(nodes[i]->tokens().settle(granted[granted.size() - 1 - i], 0));
    EXPECT_EQ(wait_for(limits, 990, 990), 0);
}

TEST_P(RedisTokenBudgets, AFrozenRedisTakesNothingWhenItWakes) {
    if (GetParam() == Kind::redis_cluster) GTEST_SKIP() << "only one Redis is frozen";
    Node quick(loop, home, {.limit = 300ms});
    const TokenLimits limits{1000, 0, 1};
    {
        const Freezer frozen(GetParam());
        const auto answer = loop.run(quick.tokens().reserve(user, limits, {1000, 1000}));
        ASSERT_FALSE(answer.has_value());
        EXPECT_EQ(answer.error().status, 503);
        loop.run_for(100ms); // past the deadline of what lies in its socket
    }
    EXPECT_TRUE(loop.poll(
        kPatience, [&] { return quick.sessions().ping(); },
        [](const auto& pong) { return pong.has_value(); }));
    EXPECT_EQ(wait_for(limits, 1000, 1000), 0);
}

class LocalTokenBudgets : public TokenBudgets {};
INSTANTIATE_TEST_SUITE_P(All, LocalTokenBudgets, ::testing::Values(Kind::sqlite, Kind::postgresql),
                         kind_name);

TEST_P(LocalTokenBudgets, ARestartBeginsNoDay) {
    const std::int64_t today = now_ms() / kDayMillis;
    loop.run(node.catalog().add_usage(
        {{user, today, "gpt-4o", 1, 500, 400}, {user, today - 1, "gpt-4o", 1, 9000, 0}}));
    const TokenLimits limits{0, 1000, 0};
    EXPECT_GT(wait_for(limits, 101, 101), 0);
    EXPECT_EQ(wait_for(limits, 100, 100), 0);
}

} // namespace
} // namespace npcchat::testing
