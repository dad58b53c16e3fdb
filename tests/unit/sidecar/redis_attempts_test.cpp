#include "io/redis_attempts.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using What = RedisAttempts::What;
using Kind = RedisRedirect::Kind;
using Clock = RedisAttempts::Clock;

const RedisHost kFrom{"10.0.0.1", "7001"};
constexpr std::uint32_t kNoJitter = 0;

class RedisAttemptsTest : public ::testing::Test {
  protected:
    RedisAttempts::Step refused(std::string_view error) {
        return attempts.refused(error, kFrom, now, kNoJitter);
    }

    Clock::time_point now{};
    RedisAttempts attempts{now + 2s, false};
    RedisAttempts repeatable{now + 2s, true};
};

TEST(RedisRedirectTest, IsRead) {
    const auto moved = RedisRedirect::parse("MOVED 3999 10.0.0.2:6381", kFrom);
    ASSERT_TRUE(moved.has_value());
    EXPECT_EQ(moved->kind, Kind::moved);
    EXPECT_EQ(moved->slot, 3999);
    EXPECT_EQ(moved->to, (RedisHost{"10.0.0.2", "6381"}));
    const auto ask = RedisRedirect::parse("ASK 16383 redis-2.example.com:6381", kFrom);
    ASSERT_TRUE(ask.has_value());
    EXPECT_EQ(ask->kind, Kind::ask);
    EXPECT_EQ(ask->slot, 16383);
    EXPECT_EQ(ask->to, (RedisHost{"redis-2.example.com", "6381"}));
}

TEST(RedisRedirectTest, HasAddressesOfAllForms) {
    EXPECT_EQ(RedisRedirect::parse("MOVED 1 ::1:6381", kFrom)->to, (RedisHost{"::1", "6381"}));
    EXPECT_EQ(RedisRedirect::parse("MOVED 1 :6381", kFrom)->to, (RedisHost{"10.0.0.1", "6381"}));
}

TEST(RedisRedirectTest, AnythingElseIsNone) {
    for (const auto* text :
         {"", "MOVED", "MOVED ", "MOVED 1", "MOVED x 10.0.0.2:6381", "MOVED 16384 10.0.0.2:6381",
          "MOVED -1 10.0.0.2:6381", "MOVED 1 10.0.0.2", "MOVED 1 10.0.0.2:", "MOVED 1 10.0.0.2:0",
          "MOVED 1 10.0.0.2:65536", "MOVED 1:2 x", "ASKING 1 10.0.0.2:6381", "ERR MOVED 1 10.0.0.2:6381"})
        EXPECT_FALSE(RedisRedirect::parse(text, kFrom).has_value()) << text;
}

TEST_F(RedisAttemptsTest, OtherErrorsAreAnswers) {
    for (const auto* error :
         {"NOSCRIPT No matching script.", "ERR wrong number of arguments", "WRONGTYPE Operation",
          "OOM command not allowed", "NOREPLICAS Not enough good replicas to write.", "BUSY Redis is busy",
          "NOAUTH Authentication required.", "CROSSSLOT Keys in request", "MOVED nowhere", ""})
        EXPECT_EQ(refused(error).what, What::answer) << error;
}

TEST_F(RedisAttemptsTest, MovedIsFollowedAtOnceAndTheTableIsOld) {
    const auto step = refused("MOVED 1 10.0.0.2:6381");
    EXPECT_EQ(step.what, What::send);
    EXPECT_EQ(step.pause, 0ms);
    EXPECT_TRUE(step.find_anew);
    ASSERT_TRUE(step.redirect.has_value());
    EXPECT_EQ(step.redirect->kind, Kind::moved);
}

TEST_F(RedisAttemptsTest, AskIsFollowedAtOnceAndTheTableIsRight) {
    const auto step = refused("ASK 1 10.0.0.2:6381");
    EXPECT_EQ(step.what, What::send);
    EXPECT_EQ(step.pause, 0ms);
    EXPECT_FALSE(step.find_anew);
    ASSERT_TRUE(step.redirect.has_value());
    EXPECT_EQ(step.redirect->kind, Kind::ask);
}

TEST_F(RedisAttemptsTest, NodesThatSendInCirclesAreGivenPauses) {
    for (int i = 0; i < RedisAttempts::kRedirects; ++i)
        EXPECT_EQ(refused("MOVED 1 10.0.0.2:6381").pause, 0ms) << i;
    const auto step = refused("MOVED 1 10.0.0.2:6381");
    EXPECT_EQ(step.what, What::send);
    EXPECT_EQ(step.pause, RedisAttempts::kFirstPause);
    EXPECT_TRUE(step.redirect.has_value());
    EXPECT_EQ(refused("MOVED 1 10.0.0.2:6381").pause, 0ms);
}

TEST_F(RedisAttemptsTest, CirclesEndAtTheDeadline) {
    now += 2s;
    EXPECT_EQ(refused("MOVED 1 10.0.0.2:6381").what, What::give_up);
    EXPECT_EQ(refused("ASK 1 10.0.0.2:6381").what, What::give_up);
}

TEST_F(RedisAttemptsTest, WhatPassesByItselfIsWaitedFor) {
    for (const auto* error : {"TRYAGAIN Multiple keys request during rehashing of slot",
                              "LOADING Redis is loading the dataset in memory"}) {
        const auto step = RedisAttempts(now + 2s, false).refused(error, kFrom, now, kNoJitter);
        EXPECT_EQ(step.what, What::send) << error;
        EXPECT_EQ(step.pause, RedisAttempts::kFirstPause) << error;
        EXPECT_FALSE(step.find_anew) << error;
    }
}

TEST_F(RedisAttemptsTest, WhatAFailoverBringsIsWaitedForAndLookedUp) {
    for (const auto* error :
         {"CLUSTERDOWN The cluster is down", "MASTERDOWN Link with MASTER is down",
          "READONLY You can't write against a read only replica.",
          "ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write"}) {
        const auto step = RedisAttempts(now + 2s, false).refused(error, kFrom, now, kNoJitter);
        EXPECT_EQ(step.what, What::send) << error;
        EXPECT_GT(step.pause, 0ms) << error;
        EXPECT_TRUE(step.find_anew) << error;
        EXPECT_FALSE(step.redirect.has_value()) << error;
    }
}

TEST_F(RedisAttemptsTest, WhatPlayersSayIsNoError) {
    EXPECT_EQ(refused("ERR Error running script: the text was READONLY").what, What::answer);
    EXPECT_EQ(refused("ERR -READONLY").what, What::answer);
}

TEST_F(RedisAttemptsTest, PausesGrowToABound) {
    std::chrono::nanoseconds last{};
    for (int i = 0; i < 12; ++i) {
        const auto step = attempts.not_sent(now, kNoJitter);
        EXPECT_EQ(step.what, What::send);
        EXPECT_GE(step.pause, last);
        EXPECT_LE(step.pause, RedisAttempts::kLongestPause);
        last = step.pause;
    }
    EXPECT_EQ(last, RedisAttempts::kLongestPause);
}

TEST_F(RedisAttemptsTest, JitterTakesAwayUpToHalf) {
    for (std::uint32_t random = 0; random < 5000; random += 7) {
        const auto step = RedisAttempts(now + 2s, false).not_sent(now, random);
        EXPECT_GT(step.pause, RedisAttempts::kFirstPause / 2 - 1us);
        EXPECT_LE(step.pause, RedisAttempts::kFirstPause);
    }
}

TEST_F(RedisAttemptsTest, NothingIsBegunAfterTheDeadline) {
    EXPECT_EQ(attempts.not_sent(now + 1999ms, kNoJitter).what, What::give_up);
    EXPECT_EQ(repeatable.lost(now + 2s, kNoJitter).what, What::give_up);
    EXPECT_TRUE(repeatable.lost(now + 2s, kNoJitter).find_anew); // for those that follow
}

TEST_F(RedisAttemptsTest, WhatMayHaveHappenedIsRepeatedOnlyWhereThatDoesNoHarm) {
    EXPECT_EQ(attempts.lost(now, kNoJitter).what, What::give_up);
    EXPECT_TRUE(attempts.lost(now, kNoJitter).find_anew);
    EXPECT_EQ(repeatable.lost(now, kNoJitter).what, What::send);
}

} // namespace
} // namespace npcchat
