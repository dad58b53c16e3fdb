#include "limit_math.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace npcchat {
namespace {

/// What the zone does with a user's first and later requests.
struct Bucket {
    bool known = false;
    LimitState state{};

    LimitVerdict arrive(std::uint64_t now, const LimitRules& rules) {
        if (!known) state = fresh_state(now);
        known = true;
        LimitVerdict verdict = limit_peek(state, rules, now);
        if (verdict.passed) limit_charge(state, rules, verdict, now);
        return verdict;
    }

    bool passes(std::uint64_t now, const LimitRules& rules) { return arrive(now, rules).passed; }
};

LimitRules one(Window window, std::int64_t requests, std::int64_t burst, std::int64_t delay = no_delay) {
    return {1, {make_rule(window, requests, burst, delay)}};
}

TEST(LimitMath, RatesLieOnLimitReqsGrid) {
    EXPECT_EQ(make_rule(Window::minute, 5, 4, no_delay).rate, 83);
    EXPECT_EQ(make_rule(Window::minute, 1, 0, no_delay).rate, 16);
    EXPECT_EQ(make_rule(Window::minute, 60, 59, no_delay).rate, 1000);
    EXPECT_EQ(make_rule(Window::second, 1, 0, no_delay).rate, 1000);
    EXPECT_EQ(make_rule(Window::second, requests_max, 0, no_delay).rate, grid_rate_max);
}

TEST(LimitMath, FivePerMinuteLetsFiveThrough) {
    Bucket bucket;
    LimitRules rules = one(Window::minute, 5, 4);
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(bucket.passes(1000, rules));

    LimitVerdict sixth = bucket.arrive(1000, rules);
    EXPECT_FALSE(sixth.passed);
    EXPECT_EQ(sixth.excess[0], 5000);
    EXPECT_EQ(limit_retry_after(rules.rule[0], sixth.excess[0]), 13);
    EXPECT_FALSE(bucket.passes(13000, rules));
    EXPECT_TRUE(bucket.passes(14000, rules));
}

TEST(LimitMath, ARefusalIsNotCounted) {
    Bucket bucket;
    LimitRules rules = one(Window::second, 1, 0);
    EXPECT_TRUE(bucket.passes(0, rules));
    for (std::uint64_t now = 1; now < 1000; now += 100)
        EXPECT_FALSE(bucket.passes(now, rules));
    EXPECT_TRUE(bucket.passes(1000, rules));
}

TEST(LimitMath, AClockThatWentBackDoesNotLeak) {
    EXPECT_EQ(limit_elapsed(1000, 2000), 0);
    EXPECT_EQ(limit_elapsed(0, 60'000), 0);
    EXPECT_EQ(limit_elapsed(0, 60'001), 1);
    EXPECT_EQ(limit_elapsed(5000, 2000), 3000);
}

TEST(LimitMath, HoursAndDaysAreExact) {
    Bucket hourly;
    LimitRules rules = one(Window::hour, 3, 2);
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(hourly.passes(500, rules));
    LimitVerdict refused = hourly.arrive(500, rules);
    EXPECT_FALSE(refused.passed);
    EXPECT_EQ(limit_retry_after(rules.rule[0], refused.excess[0]), 1200);
    // Every twenty minutes one more, to the millisecond.
    for (std::uint64_t i = 1; i <= 100; ++i) {
        EXPECT_FALSE(hourly.passes(499 + i * 1'200'000, rules)) << i;
        EXPECT_TRUE(hourly.passes(500 + i * 1'200'000, rules)) << i;
    }

    Bucket daily;
    rules = one(Window::day, 50, 0);
    for (std::uint64_t i = 0; i < 200; ++i) {
        EXPECT_TRUE(daily.passes(i * 1'728'000, rules)) << i;
        EXPECT_FALSE(daily.passes(i * 1'728'000 + 1'727'999, rules)) << i;
    }
}

TEST(LimitMath, NothingIsCountedWhereOneWindowRefuses) {
    LimitRules rules{3,
                     {make_rule(Window::minute, 60, 1, no_delay), make_rule(Window::hour, 500, 499, no_delay),
                      make_rule(Window::day, 3, 2, no_delay)}};
    Bucket bucket;
    EXPECT_TRUE(bucket.passes(0, rules));
    EXPECT_TRUE(bucket.passes(0, rules));
    LimitState before = bucket.state;
    for (int i = 0; i < 10; ++i)
        EXPECT_FALSE(bucket.passes(0, rules));
    for (std::size_t i = 0; i < window_count; ++i)
        EXPECT_EQ(bucket.state.excess[i], before.excess[i]);

    EXPECT_TRUE(bucket.passes(1000, rules));
    LimitVerdict day_refuses = bucket.arrive(2000, rules);
    EXPECT_FALSE(day_refuses.passed);
    EXPECT_LE(day_refuses.excess[0], rules.rule[0].burst);
    EXPECT_EQ(limit_retry_after(rules.rule[0], day_refuses.excess[0]), 0);
    EXPECT_EQ(limit_retry_after(rules.rule[2], day_refuses.excess[2]), 28798);
}

TEST(LimitMath, AWindowThatAPlanLosesIsForgotten) {
    LimitRules both{2, {make_rule(Window::minute, 5, 0, no_delay), make_rule(Window::hour, 1, 0, no_delay)}};
    Bucket bucket;
    EXPECT_TRUE(bucket.passes(0, both));
    EXPECT_FALSE(bucket.passes(60'000, both));
    EXPECT_TRUE(bucket.passes(60'000, one(Window::minute, 5, 0)));
    EXPECT_TRUE(bucket.passes(120'000, both));
}

TEST(LimitMath, NothingOverflows) {
    for (Window window : {Window::second, Window::minute, Window::hour, Window::day}) {
        LimitRules rules = one(window, requests_max, requests_max, 0);
        const LimitRule& rule = rules.rule[0];
        Bucket bucket;
        EXPECT_TRUE(bucket.passes(0, rules));
        bucket.state.excess[static_cast<std::size_t>(window)] = rule.burst;
        EXPECT_GE(limit_drain_time(bucket.state, rules), 0);
        EXPECT_GE(limit_delay(rule, rule.burst), 0);
        EXPECT_FALSE(bucket.passes(0, rules));
        EXPECT_TRUE(bucket.passes(std::uint64_t{1} << 62, rules));

        rules = one(window, 1, requests_max, 0);
        bucket.state.excess[static_cast<std::size_t>(window)] = rules.rule[0].burst;
        EXPECT_GT(limit_drain_time(bucket.state, rules), 0);
        EXPECT_GT(limit_delay(rules.rule[0], rules.rule[0].burst), 0);
        EXPECT_GT(limit_allowance(rules.rule[0], rules.rule[0].burst, true).reset, 0);
    }
}

} // namespace
} // namespace npcchat
