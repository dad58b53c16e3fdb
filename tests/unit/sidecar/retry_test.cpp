#include "model/retry.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using Clock = Backoff::Clock;

constexpr Clock::time_point kStart{1h};

TEST(FailureOfStatus, TellsWhoIsAtFault) {
    EXPECT_EQ(failure_of_status(429), CallFailure::busy);
    EXPECT_EQ(failure_of_status(529), CallFailure::busy);
    for (const int status : {500, 501, 502, 503, 504, 599})
        EXPECT_EQ(failure_of_status(status), CallFailure::server_error) << status;
    for (const int status : {401, 403, 404})
        EXPECT_EQ(failure_of_status(status), CallFailure::not_served) << status;
    for (const int status : {400, 402, 405, 413, 422, 499})
        EXPECT_EQ(failure_of_status(status), CallFailure::refused_request) << status;
    for (const int status : {0, 100, 204, 302})
        EXPECT_EQ(failure_of_status(status), CallFailure::unusable) << status;
}

TEST(TryAgainAfter, AsksTheSameTargetOnlyWhereThatMayHelp) {
    using enum CallFailure;
    for (const CallFailure failure : {unreachable, broken, busy, server_error})
        EXPECT_EQ(try_again_after(failure), TryAgain::anywhere);
    for (const CallFailure failure : {timed_out, unusable, not_served})
        EXPECT_EQ(try_again_after(failure), TryAgain::elsewhere);
    EXPECT_EQ(try_again_after(refused_request), TryAgain::nowhere);
}

TEST(Backoff, WaitsTwiceAsLongEachTimeAndNotForEver) {
    Backoff backoff(kStart + 1h);
    EXPECT_EQ(backoff.next(kStart, std::nullopt, 0), 250ms);
    EXPECT_EQ(backoff.next(kStart, std::nullopt, 0), 500ms);
    EXPECT_EQ(backoff.next(kStart, std::nullopt, 0), std::nullopt);
}

TEST(Backoff, ChanceTakesAwayUpToHalf) {
    EXPECT_EQ(Backoff(kStart + 1h).next(kStart, std::nullopt, 1), 125ms);
    EXPECT_EQ(Backoff(kStart + 1h).next(kStart, std::nullopt, 0.5), 187500us);
    // Whatever the source of chance gives.
    EXPECT_EQ(Backoff(kStart + 1h).next(kStart, std::nullopt, 7), 125ms);
    EXPECT_EQ(Backoff(kStart + 1h).next(kStart, std::nullopt, -7), 250ms);
}

TEST(Backoff, HonoursRetryAfter) {
    EXPECT_EQ(Backoff(kStart + 1h).next(kStart, 0s, 0), 250ms);
    for (const double random : {0.0, 0.3, 1.0}) {
        const auto wait = Backoff(kStart + 1h).next(kStart, 3s, random);
        ASSERT_TRUE(wait.has_value());
        EXPECT_GT(*wait, 3s);
        EXPECT_LT(*wait, 3200ms);
    }
    EXPECT_TRUE(Backoff(kStart + 1h).next(kStart, 10s, 0).has_value());
    EXPECT_EQ(Backoff(kStart + 1h).next(kStart, 11s, 0), std::nullopt);
}

TEST(Backoff, EndsWithTheCall) {
    EXPECT_EQ(Backoff(kStart + 250ms).next(kStart, std::nullopt, 0), std::nullopt);
    EXPECT_EQ(Backoff(kStart + 251ms).next(kStart, std::nullopt, 0), 250ms);
    EXPECT_EQ(Backoff(kStart + 2s).next(kStart, 3s, 0), std::nullopt);
    EXPECT_EQ(Backoff(kStart).next(kStart + 1s, std::nullopt, 0), std::nullopt);
}

} // namespace
} // namespace npcchat
