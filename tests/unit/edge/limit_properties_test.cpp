// The limiter against independent models, over many random arrivals.
#include "limit_math.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace npcchat {
namespace {

using Random = std::mt19937_64;

/// limit_req, written down anew from the documentation of its algorithm, in nginx's own types: a bucket leaks
/// `rate` thousandths of a request a second, a request adds a thousand, more than the burst is refused and
/// not counted, and what exceeds `delay` waits.
struct LimitReq {
    std::uint64_t rate;
    std::int64_t burst;
    std::int64_t delay;
    bool known = false;
    std::uint64_t last = 0;
    std::int64_t excess = 0;

    /// Milliseconds to wait, or nothing: refused.
    std::optional<std::int64_t> arrive(std::uint64_t now) {
        if (!known) {
            known = true;
            last = now;
            excess = 0;
            return 0;
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
        if (next > burst) return std::nullopt;
        excess = next;
        if (ms != 0) last = now;
        return excess <= delay ? 0 : (excess - delay) * 1000 / static_cast<std::int64_t>(rate);
    }
};

/// The generic cell rate algorithm: `due` is when the bucket will be empty, in milliseconds times requests of
/// the window, so that a request takes the window's milliseconds.
struct CellRate {
    std::int64_t requests;
    std::int64_t window_ms;
    std::int64_t burst;
    __int128 due = 0;

    bool arrive(std::uint64_t now) {
        __int128 at = static_cast<__int128>(now) * requests;
        __int128 start = due > at ? due : at;
        if (start - at > static_cast<__int128>(burst) * window_ms) return false;
        due = start + window_ms;
        return true;
    }
};

struct Limiter {
    LimitRules rules;
    LimitState state{};
    bool known = false;

    std::optional<std::int64_t> arrive(std::uint64_t now) {
        if (!known) state = fresh_state(now);
        known = true;
        LimitVerdict verdict = limit_peek(state, rules, now);
        if (!verdict.passed) return std::nullopt;
        limit_charge(state, rules, verdict, now);
        return limit_delay(rules.rule[0], verdict.excess[0]);
    }
};

/// Most arrivals go forward; some clocks stand still, step back a little, or jump.
std::uint64_t next_arrival(Random& random, std::uint64_t now, std::uint64_t gap) {
    switch (random() % 20) {
    case 0:
        return now;
    case 1:
        return now - random() % 1000;
    case 2:
        return now - 60000 - random() % 1000;
    case 3:
        return now + 86'400'000;
    default:
        return now + random() % gap;
    }
}

TEST(LimitProperties, AgreesWithLimitReq) {
    Random random(20240607);
    for (int round = 0; round < 4000; ++round) {
        Window window = random() % 2 ? Window::minute : Window::second;
        auto requests = static_cast<std::int64_t>(random() % 2000 + 1);
        auto burst = static_cast<std::int64_t>(random() % 20);
        auto delay = static_cast<std::int64_t>(random() % 10);
        std::uint64_t rate =
            static_cast<std::uint64_t>(requests) * 1000 / (window == Window::minute ? 60 : 1);
        LimitReq reference{rate, burst * 1000, delay * 1000};
        Limiter limiter{{1, {make_rule(window, requests, burst, delay)}}};

        std::uint64_t now = (std::uint64_t{1} << 40) + random() % 1'000'000'000;
        std::uint64_t gap = random() % 4 == 0 ? 100'000 : 1000;
        for (int i = 0; i < 200; ++i) {
            now = next_arrival(random, now, gap);
            ASSERT_EQ(limiter.arrive(now), reference.arrive(now)) << "round " << round << ", arrival " << i;
            ASSERT_EQ(limiter.state.excess[static_cast<std::size_t>(window)], reference.excess);
            ASSERT_EQ(limiter.state.last, reference.last);
        }
    }
}

TEST(LimitProperties, NoDelayIsAVeryLateOne) {
    Random random(3);
    for (int round = 0; round < 500; ++round) {
        auto requests = static_cast<std::int64_t>(random() % 600 + 1);
        auto burst = static_cast<std::int64_t>(random() % 20);
        Limiter limiter{{1, {make_rule(Window::minute, requests, burst, no_delay)}}};
        std::uint64_t now = 0;
        for (int i = 0; i < 100; ++i) {
            now += random() % 500;
            ASSERT_EQ(limiter.arrive(now).value_or(0), 0);
        }
    }
}

TEST(LimitProperties, HoursAndDaysAgreeWithCellRate) {
    Random random(11);
    for (int round = 0; round < 4000; ++round) {
        Window window = random() % 2 ? Window::hour : Window::day;
        const WindowScale& scale = scale_of(window);
        auto requests = static_cast<std::int64_t>(random() % 300 + 1);
        auto burst = static_cast<std::int64_t>(random() % 10);
        std::uint64_t apart = static_cast<std::uint64_t>(scale.seconds * 1000 / requests);
        CellRate reference{requests, scale.seconds * 1000, burst};
        Limiter limiter{{1, {make_rule(window, requests, burst, no_delay)}}};

        std::uint64_t now = random() % 1'000'000'000;
        for (int i = 0; i < 100; ++i) {
            now += random() % 3 == 0 ? apart + random() % 3 - 1 : random() % (2 * apart);
            ASSERT_EQ(limiter.arrive(now).has_value(), reference.arrive(now))
                << "round " << round << ", " << i;
        }
    }
}

/// All windows at once: a request passes where each of them, alone, with the same past, would let it.
TEST(LimitProperties, WindowsAreIndependentBuckets) {
    Random random(5);
    for (int round = 0; round < 2000; ++round) {
        std::uint64_t now = std::uint64_t{1} << 40;
        LimitRules rules{};
        std::vector<Limiter> alone;
        for (std::size_t i = 0; i < window_count; ++i) {
            if (random() % 4 == 0) continue;
            LimitRule rule = make_rule(static_cast<Window>(i), static_cast<std::int64_t>(random() % 50 + 1),
                                       static_cast<std::int64_t>(random() % 50), no_delay);
            rules.rule[rules.count++] = rule;
            alone.push_back({{1, {rule}}});
            alone.back().arrive(now);
        }
        if (rules.count == 0) continue;

        Limiter limiter{rules};
        limiter.arrive(now);
        for (int i = 0; i < 150; ++i) {
            now = next_arrival(random, now, 3000);
            bool expected = true;
            for (const Limiter& one : alone)
                expected = expected && limit_peek(one.state, one.rules, now).passed;
            ASSERT_EQ(limiter.arrive(now).has_value(), expected) << "round " << round << ", arrival " << i;
            if (!expected) continue;
            for (Limiter& one : alone)
                one.arrive(now);
        }
    }
}

LimitRule random_rule(Random& random) {
    auto window = static_cast<Window>(random() % window_count);
    return make_rule(window, static_cast<std::int64_t>(random() % 600 + 1),
                     static_cast<std::int64_t>(random() % 10), no_delay);
}

/// A limiter after some requests, the last at `now`.
Limiter used(Random& random, const LimitRule& rule, std::uint64_t& now) {
    Limiter limiter{{1, {rule}}};
    auto gap = static_cast<std::uint64_t>(rule.scale().seconds * 1000 / rule.requests) + 2;
    now = random() % 1'000'000;
    for (auto i = random() % 20 + 1; i > 0; --i)
        limiter.arrive(now += random() % gap);
    return limiter;
}

TEST(LimitProperties, RetryAfterIsTheFirstSecondThatPasses) {
    Random random(7);
    for (int round = 0; round < 10000; ++round) {
        LimitRule rule = random_rule(random);
        std::uint64_t now = 0;
        Limiter limiter = used(random, rule, now);
        while (limiter.arrive(now))
            ;
        LimitVerdict refused = limit_peek(limiter.state, limiter.rules, now);
        auto seconds = static_cast<std::uint64_t>(limit_retry_after(rule, refused.excess[0]));
        ASSERT_GE(seconds, 1U);
        EXPECT_TRUE(limit_peek(limiter.state, limiter.rules, now + seconds * 1000).passed);
        EXPECT_FALSE(limit_peek(limiter.state, limiter.rules, now + (seconds - 1) * 1000).passed);
    }
}

TEST(LimitProperties, WhatIsSaidToRemainPasses) {
    Random random(13);
    for (int round = 0; round < 10000; ++round) {
        LimitRule rule = random_rule(random);
        std::uint64_t now = 0;
        Limiter limiter = used(random, rule, now);
        LimitVerdict verdict = limit_peek(limiter.state, limiter.rules, now);
        bool counted = verdict.passed && random() % 2;
        if (counted) limiter.arrive(now);
        Allowance allowance = limit_allowance(rule, verdict.excess[0], counted);

        Limiter at_once = limiter;
        std::int64_t passed = 0;
        while (at_once.arrive(now))
            ++passed;
        EXPECT_EQ(allowance.remaining, passed < rule.requests ? passed : rule.requests);

        Limiter later = limiter;
        std::int64_t more = 0;
        while (later.arrive(now + static_cast<std::uint64_t>(allowance.next) * 1000))
            ++more;
        if (allowance.next != 0) {
            EXPECT_GT(more, passed);
        }

        Limiter anew = limiter;
        std::int64_t all = 0;
        while (anew.arrive(now + static_cast<std::uint64_t>(allowance.reset) * 1000))
            ++all;
        EXPECT_EQ(all, rule.burst / rule.scale().unit + 1);
        EXPECT_LE(allowance.next, allowance.reset);
    }
}

/// An entry that is dropped when it has drained is not missed.
TEST(LimitProperties, DrainedIsAsGoodAsNew) {
    Random random(17);
    for (int round = 0; round < 5000; ++round) {
        LimitRule rule = random_rule(random);
        std::uint64_t now = 0;
        Limiter kept = used(random, rule, now);
        now = kept.state.last + static_cast<std::uint64_t>(limit_drain_time(kept.state, kept.rules));
        Limiter dropped{kept.rules};
        for (int i = 0; i < 30; ++i) {
            ASSERT_EQ(kept.arrive(now), dropped.arrive(now));
            now += random() % 1000;
        }
    }
}

} // namespace
} // namespace npcchat
