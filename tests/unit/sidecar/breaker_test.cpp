#include "model/breaker.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using State = Breaker::State;

constexpr Breaker::Time kStart{1h};

void fail_times(Breaker& breaker, int times, Breaker::Time now) {
    for (int i = 0; i < times; ++i)
        breaker.failed(breaker.began(), now);
}

void succeed_times(Breaker& breaker, int times, Breaker::Time now) {
    for (int i = 0; i < times; ++i)
        breaker.succeeded(breaker.began(), now);
}

Breaker opened_at(Breaker::Time now) {
    Breaker breaker;
    fail_times(breaker, Breaker::kFailures, now);
    return breaker;
}

TEST(Breaker, IsClosedAtFirst) {
    const Breaker breaker;
    EXPECT_EQ(breaker.state(kStart), State::closed);
    EXPECT_TRUE(breaker.allows(kStart));
    EXPECT_LE(breaker.open_until(), kStart);
}

TEST(Breaker, OpensAfterSoManyFailures) {
    Breaker breaker;
    fail_times(breaker, Breaker::kFailures - 1, kStart);
    EXPECT_EQ(breaker.state(kStart), State::closed);
    fail_times(breaker, 1, kStart);
    EXPECT_EQ(breaker.state(kStart), State::open);
    EXPECT_FALSE(breaker.allows(kStart));
    EXPECT_EQ(breaker.open_until(), kStart + Breaker::kFirstOpen);
}

TEST(Breaker, HalfOfTheCallsMustFail) {
    Breaker breaker;
    succeed_times(breaker, 8, kStart);
    fail_times(breaker, 7, kStart);
    EXPECT_EQ(breaker.state(kStart), State::closed);
    fail_times(breaker, 1, kStart);
    EXPECT_EQ(breaker.state(kStart), State::open);
}

TEST(Breaker, ForgetsWhatIsLongAgo) {
    Breaker breaker;
    fail_times(breaker, Breaker::kFailures - 1, kStart);
    fail_times(breaker, 1, kStart + Breaker::kWindow);
    EXPECT_EQ(breaker.state(kStart + Breaker::kWindow), State::closed);
    // Within the window they add up, whenever they were.
    Breaker slow;
    for (int i = 0; i < Breaker::kFailures; ++i)
        fail_times(slow, 1, kStart + i * 5s);
    EXPECT_EQ(slow.state(kStart + 20s), State::open);
}

TEST(Breaker, LetsOneProbeThroughAfterItsTime) {
    Breaker breaker = opened_at(kStart);
    const auto reopened = kStart + Breaker::kFirstOpen;
    EXPECT_FALSE(breaker.allows(reopened - 1ms));
    EXPECT_EQ(breaker.state(reopened), State::half_open);
    EXPECT_TRUE(breaker.allows(reopened));
    const auto probe = breaker.began();
    EXPECT_FALSE(breaker.allows(reopened));
    EXPECT_EQ(breaker.state(reopened), State::half_open);
    breaker.succeeded(probe, reopened + 1s);
    EXPECT_EQ(breaker.state(reopened + 1s), State::closed);
    EXPECT_TRUE(breaker.allows(reopened + 1s));
    // Its past is forgotten: it takes as many failures as before.
    fail_times(breaker, Breaker::kFailures - 1, reopened + 1s);
    EXPECT_EQ(breaker.state(reopened + 1s), State::closed);
}

TEST(Breaker, OpensForLongerWithEachProbeThatFails) {
    Breaker breaker = opened_at(kStart);
    auto now = kStart;
    for (const auto expected : {10s, 20s, 40s, 60s, 60s}) {
        now = breaker.open_until();
        breaker.failed(breaker.began(), now);
        EXPECT_EQ(breaker.state(now), State::open);
        EXPECT_EQ(breaker.open_until() - now, expected);
    }
    breaker.succeeded(breaker.began(), breaker.open_until());
    now += 120s;
    fail_times(breaker, Breaker::kFailures, now);
    EXPECT_EQ(breaker.open_until() - now, Breaker::kFirstOpen);
}

TEST(Breaker, AProbeThatWasCancelledMakesRoomForAnother) {
    Breaker breaker = opened_at(kStart);
    const auto now = breaker.open_until();
    const auto probe = breaker.began();
    EXPECT_FALSE(breaker.allows(now));
    breaker.was_cancelled(probe);
    EXPECT_TRUE(breaker.allows(now));
    EXPECT_EQ(breaker.state(now), State::half_open);
}

TEST(Breaker, CallsFromBeforeItOpenedSayNothingNew) {
    Breaker breaker;
    const auto slow_failure = breaker.began();
    const auto slow_success = breaker.began();
    fail_times(breaker, Breaker::kFailures, kStart);
    const auto until = breaker.open_until();
    breaker.failed(slow_failure, kStart + 1s);
    breaker.succeeded(slow_success, kStart + 1s);
    EXPECT_EQ(breaker.state(kStart + 1s), State::open);
    EXPECT_EQ(breaker.open_until(), until);
}

TEST(Breaker, ACallThatWasMadeAlthoughItIsOpenIsAProbe) {
    Breaker works = opened_at(kStart);
    works.succeeded(works.began(), kStart + 1s);
    EXPECT_EQ(works.state(kStart + 1s), State::closed);
    // But one that fails does not keep it open for longer: it was not its time yet.
    Breaker fails = opened_at(kStart);
    const auto until = fails.open_until();
    fail_times(fails, 3, kStart + 1s);
    EXPECT_EQ(fails.open_until(), until);
    EXPECT_TRUE(fails.allows(until));
}

TEST(Breaker, RestsWhereItIsAskedTo) {
    Breaker breaker;
    breaker.rest_until(kStart + 7s);
    breaker.rest_until(kStart + 3s);
    EXPECT_EQ(breaker.state(kStart), State::open);
    EXPECT_FALSE(breaker.allows(kStart + 6s));
    EXPECT_EQ(breaker.open_until(), kStart + 7s);
    // And then needs no probe.
    EXPECT_EQ(breaker.state(kStart + 7s), State::closed);
    const auto first = breaker.began();
    EXPECT_FALSE(first.is_probe);
    EXPECT_TRUE(breaker.allows(kStart + 7s));
}

TEST(Breaker, ARestAndAnOpenTimeEndWithTheLater) {
    Breaker breaker = opened_at(kStart);
    breaker.rest_until(kStart + 9s);
    EXPECT_EQ(breaker.state(kStart + 6s), State::open);
    EXPECT_EQ(breaker.state(kStart + 9s), State::half_open);
}

} // namespace
} // namespace npcchat
