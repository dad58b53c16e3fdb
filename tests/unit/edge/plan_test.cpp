#include "plan.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

constexpr std::size_t second = 0, minute = 1, hour = 2, day = 3;
constexpr ZoneRate five_a_minute{Window::minute, 5, true};
constexpr LimitUse burst_of_four{4, no_delay};

TEST(Plan, ReadsRateAndBurst) {
    Plan both = parse_plan("rpm=60;burst=59");
    EXPECT_EQ(both.requests[minute], 60U);
    EXPECT_EQ(both.burst, 59U);

    Plan among_others = parse_plan("tpm=1;burst=2;models=a,b;rpm=3;");
    EXPECT_EQ(among_others.requests[minute], 3U);
    EXPECT_EQ(among_others.burst, 2U);

    EXPECT_EQ(parse_plan("rpm=0").requests[minute], 0U);
    EXPECT_FALSE(parse_plan("rpm=0").burst);
}

TEST(Plan, ReadsEveryWindow) {
    Plan plan = parse_plan("rpd=2000;rph=500;rpm=60;rps=3;conc=4");
    EXPECT_EQ(plan.requests[second], 3U);
    EXPECT_EQ(plan.requests[minute], 60U);
    EXPECT_EQ(plan.requests[hour], 500U);
    EXPECT_EQ(plan.requests[day], 2000U);
    EXPECT_EQ(plan.concurrency, 4U);
}

TEST(Plan, IgnoresWhatIsNoNumber) {
    for (const char* text : {"", ";", "rpm", "rpm=", "rpm=x", "rpm=-1", "rpm=1x", "rpm= 1", "xrpm=5", "RPM=5",
                             "rpmx=5", "rpm=1.5", "concurrency=1"}) {
        EXPECT_FALSE(parse_plan(text).requests[minute]) << text;
        EXPECT_FALSE(parse_plan(text).concurrency) << text;
    }
}

TEST(Plan, CountsAreBounded) {
    EXPECT_EQ(parse_count("999999999"), 999'999'999U);
    EXPECT_EQ(parse_count("1000000000"), 1'000'000'000U);
    EXPECT_EQ(parse_count("99999999999999999999999999"), 1'000'000'000U);
    EXPECT_FALSE(parse_count(""));
    EXPECT_FALSE(parse_count("1 "));
}

TEST(Rules, WithoutAPlanTheZonesRateAndTheLocationsBurst) {
    LimitRules rules = make_rules({}, five_a_minute, burst_of_four);
    ASSERT_EQ(rules.count, 1U);
    EXPECT_EQ(rules.rule[0].window, Window::minute);
    EXPECT_EQ(rules.rule[0].requests, 5);
    EXPECT_EQ(rules.rule[0].rate, 83);
    EXPECT_EQ(rules.rule[0].burst, 4000);
}

TEST(Rules, ThePlansRateReplacesThatOfTheSameWindow) {
    LimitRules rules = make_rules(parse_plan("rpm=60"), five_a_minute, burst_of_four);
    ASSERT_EQ(rules.count, 1U);
    EXPECT_EQ(rules.rule[0].rate, 1000);
    EXPECT_EQ(rules.rule[0].burst, 59000);
    EXPECT_EQ(make_rules(parse_plan("rpm=60;burst=3"), five_a_minute, burst_of_four).rule[0].burst, 3000);
    EXPECT_EQ(make_rules(parse_plan("rpm=60;burst=0"), five_a_minute, burst_of_four).rule[0].burst, 0);
    EXPECT_EQ(make_rules(parse_plan("rpm=0"), five_a_minute, burst_of_four).count, 0U);
    EXPECT_EQ(make_rules(parse_plan("burst=9"), five_a_minute, burst_of_four).rule[0].burst, 4000);
}

TEST(Rules, OtherWindowsOfAPlanComeBesideTheZones) {
    LimitRules rules = make_rules(parse_plan("rpd=2000;rps=2"), five_a_minute, burst_of_four);
    ASSERT_EQ(rules.count, 3U);
    EXPECT_EQ(rules.rule[0].window, Window::second);
    EXPECT_EQ(rules.rule[0].burst, 1000);
    EXPECT_EQ(rules.rule[1].rate, 83);
    EXPECT_EQ(rules.rule[2].window, Window::day);
    EXPECT_EQ(rules.rule[2].rate, 2000);
    EXPECT_EQ(rules.rule[2].burst, std::int64_t{1999} * 86'400'000);
}

TEST(Rules, AZoneMayPassOverPlansOrHaveNoRate) {
    ZoneRate guard{Window::second, 2, false};
    LimitRules rules = make_rules(parse_plan("rpm=60;rps=0"), guard, {0, 0});
    ASSERT_EQ(rules.count, 1U);
    EXPECT_EQ(rules.rule[0].rate, 2000);

    ZoneRate by_plan{Window::minute, 0, true};
    EXPECT_EQ(make_rules({}, by_plan, burst_of_four).count, 0U);
    EXPECT_EQ(make_rules(parse_plan("rph=1"), by_plan, burst_of_four).count, 1U);
}

TEST(Rules, OnlyShortWindowsOfAPlanDelay) {
    LimitRules rules = make_rules(parse_plan("rps=5;rpm=60;rph=500;rpd=2000"), five_a_minute, {4, 1});
    ASSERT_EQ(rules.count, 4U);
    for (const LimitRule& rule : rules.rule) {
        bool is_short = rule.window == Window::second || rule.window == Window::minute;
        EXPECT_EQ(limit_delay(rule, rule.burst) > 0, is_short);
        EXPECT_EQ(limit_delay(rule, rule.scale().unit), 0);
    }
    // What the location itself says of its zone is done.
    LimitRules hourly = make_rules({}, {Window::hour, 3, true}, {2, 0});
    EXPECT_EQ(limit_delay(hourly.rule[0], hourly.rule[0].scale().unit), 1'200'000);
}

} // namespace
} // namespace npcchat
