#include "limit_math.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <random>

namespace npcchat {
namespace {

/// limit_req, written down anew from the documentation of its algorithm, in nginx's own types: a bucket leaks
/// `rate` thousandths of a request a second, a request adds a thousand, more than the burst is refused and
/// not counted.
struct ReferenceBucket {
    bool known = false;
    std::uint64_t last = 0;
    std::int64_t excess = 0;

    bool arrive(std::uint64_t now, std::uint64_t rate, std::int64_t burst) {
        if (!known) {
            known = true;
            last = now;
            excess = 0;
            return true;
        }
        auto ms = static_cast<std::int64_t>(now - last);
        if (ms < -60000) {
            ms = 1;
        } else if (ms < 0) {
            ms = 0;
        }
        auto leaked = static_cast<std::int64_t>(rate * static_cast<std::uint64_t>(ms) / 1000);
        std::int64_t next = excess - leaked + 1000;
        if (next < 0) next = 0;
        if (next > burst) return false;
        excess = next;
        if (ms != 0) last = now;
        return true;
    }
};

/// What the zone does with a user's first and later requests.
struct Bucket {
    bool known = false;
    LimitState state;

    LimitVerdict arrive(std::uint64_t now, LimitRule rule) {
        if (known) return limit_account(state, rule, now);
        known = true;
        state = {now, 0};
        return {true, 0};
    }
};

TEST(LimitMath, RatesLieOnLimitReqsGrid) {
    EXPECT_EQ(limit_rate(5, 60), 83);
    EXPECT_EQ(limit_rate(1, 60), 16);
    EXPECT_EQ(limit_rate(60, 60), 1000);
    EXPECT_EQ(limit_rate(1, 1), 1000);
    EXPECT_EQ(limit_rate(0, 60), 0);
    EXPECT_EQ(limit_rate(1'000'000'000, 1), rate_max);
    EXPECT_EQ(limit_rate(1'000'000'000, 60), rate_max);
}

TEST(LimitMath, FivePerMinuteLetsFiveThrough) {
    Bucket bucket;
    LimitRule rule{limit_rate(5, 60), 4000};
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(bucket.arrive(1000, rule).passed);

    LimitVerdict sixth = bucket.arrive(1000, rule);
    EXPECT_FALSE(sixth.passed);
    EXPECT_EQ(sixth.excess, 5000);
    EXPECT_EQ(limit_retry_after(rule, sixth.excess), 13);
    EXPECT_FALSE(bucket.arrive(13000, rule).passed);
    EXPECT_TRUE(bucket.arrive(14000, rule).passed);
}

TEST(LimitMath, ARefusalIsNotCounted) {
    Bucket bucket;
    LimitRule rule{1000, 0};
    EXPECT_TRUE(bucket.arrive(0, rule).passed);
    for (std::uint64_t now = 1; now < 1000; now += 100)
        EXPECT_FALSE(bucket.arrive(now, rule).passed);
    EXPECT_TRUE(bucket.arrive(1000, rule).passed);
}

TEST(LimitMath, AgreesWithLimitReq) {
    std::mt19937_64 random(20240607);
    for (int round = 0; round < 2000; ++round) {
        LimitRule rule{limit_rate(static_cast<std::int64_t>(random() % 2000 + 1), random() % 2 ? 60 : 1),
                       static_cast<std::int64_t>(random() % 20) * 1000};
        ReferenceBucket reference;
        Bucket bucket;
        std::uint64_t now = random() % 1'000'000'000;
        std::uint64_t gap = random() % 4 == 0 ? 100'000 : 1000;

        for (int i = 0; i < 200; ++i) {
            // Most arrivals go forward; some clocks stand still, step back a little, or jump.
            switch (random() % 20) {
            case 0:
                break;
            case 1:
                now -= random() % 1000;
                break;
            case 2:
                now -= 60000 + random() % 1000;
                break;
            case 3:
                now += 86'400'000;
                break;
            default:
                now += random() % gap;
            }
            bool expected = reference.arrive(now, static_cast<std::uint64_t>(rule.rate), rule.burst);
            ASSERT_EQ(bucket.arrive(now, rule).passed, expected) << "round " << round << ", arrival " << i;
            ASSERT_EQ(bucket.state.excess, reference.excess);
            ASSERT_EQ(bucket.state.last, reference.last);
        }
    }
}

TEST(LimitMath, RetryAfterIsTheFirstSecondThatPasses) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 5000; ++round) {
        LimitRule rule{limit_rate(static_cast<std::int64_t>(random() % 600 + 1), 60),
                       static_cast<std::int64_t>(random() % 10) * 1000};
        Bucket bucket;
        std::uint64_t now = random() % 1'000'000;
        LimitVerdict verdict = bucket.arrive(now, rule);
        while (verdict.passed)
            verdict = bucket.arrive(now += random() % 20, rule);

        auto seconds = static_cast<std::uint64_t>(limit_retry_after(rule, verdict.excess));
        Bucket in_time = bucket;
        EXPECT_TRUE(in_time.arrive(now + seconds * 1000, rule).passed);
        // A second earlier it does not, but for what rounding in favour of the user gives.
        Bucket too_early = bucket;
        if (seconds == 1) continue;
        EXPECT_FALSE(too_early.arrive(now + (seconds - 1) * 1000 - 1, rule).passed);
    }
}

TEST(LimitMath, NothingOverflows) {
    Bucket bucket;
    LimitRule rule{rate_max, std::int64_t{1'000'000'000} * 1000};
    EXPECT_TRUE(bucket.arrive(0, rule).passed);
    EXPECT_TRUE(bucket.arrive(std::uint64_t{1} << 62, rule).passed);
    EXPECT_EQ(bucket.state.excess, 0);
    EXPECT_TRUE(limit_drained(rate_max, rule.burst, elapsed_max));
    EXPECT_FALSE(limit_drained(1, 1000, 999'999));
    EXPECT_TRUE(limit_drained(1, 1000, 1'000'000));
}

TEST(LimitMath, AClockThatWentBackDoesNotLeak) {
    EXPECT_EQ(limit_elapsed(1000, 2000), 0);
    EXPECT_EQ(limit_elapsed(0, 60'000), 0);
    EXPECT_EQ(limit_elapsed(0, 60'001), 1);
    EXPECT_EQ(limit_elapsed(5000, 2000), 3000);
}

} // namespace
} // namespace npcchat
