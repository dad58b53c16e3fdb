#include "model/target_pool.hpp"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using Health = TargetPool::Health;
using State = Breaker::State;

constexpr TargetPool::Clock::time_point kNow{1h};
const std::vector<bool> kAll;

TargetPool pool_of(std::vector<std::pair<double, int>> weights_and_caps) {
    std::vector<TargetPool::Target> targets;
    for (const auto& [weight, cap] : weights_and_caps)
        targets.push_back({weight, cap, std::make_shared<TargetState>()});
    return TargetPool(std::move(targets));
}

TargetState::Report report(const TargetPool& pool, std::size_t index) {
    return pool.targets()[index].state->report(kNow);
}

void fail_until_open(TargetPool& pool, std::size_t index) {
    std::vector<bool> others(pool.targets().size(), true);
    others[index] = false;
    while (report(pool, index).breaker != State::open) {
        auto begun = pool.begin(others, Health::any, kNow);
        begun.value().call.failed(CallFailure::unreachable, std::nullopt, kNow);
    }
}

TEST(TargetPool, CountsCallsUnderWay) {
    TargetPool pool = pool_of({{1, 0}});
    {
        auto first = pool.begin(kAll, Health::good, kNow).value();
        auto second = pool.begin(kAll, Health::good, kNow).value();
        EXPECT_EQ(report(pool, 0).in_flight, 2);
        const TargetState::Call moved = std::move(second.call);
        EXPECT_EQ(report(pool, 0).in_flight, 2);
    }
    EXPECT_EQ(report(pool, 0).in_flight, 0);
}

TEST(TargetPool, CountsHowCallsEnd) {
    TargetPool pool = pool_of({{1, 0}});
    pool.begin(kAll, Health::good, kNow)->call.answered(kNow);
    pool.begin(kAll, Health::good, kNow)->call.failed(CallFailure::busy, std::nullopt, kNow);
    {
        auto broken_off = pool.begin(kAll, Health::good, kNow).value();
        broken_off.call.answered(kNow);
        broken_off.call.failed(CallFailure::broken, std::nullopt, kNow);
    }
    pool.begin(kAll, Health::good, kNow); // cancelled
    const auto known = report(pool, 0);
    EXPECT_EQ(known.answered, 2);
    EXPECT_EQ(known.failed[static_cast<std::size_t>(CallFailure::busy)], 1);
    EXPECT_EQ(known.failed[static_cast<std::size_t>(CallFailure::broken)], 1);
    EXPECT_EQ(known.failed[static_cast<std::size_t>(CallFailure::timed_out)], 0);
    EXPECT_EQ(known.breaker, State::closed);
}

TEST(TargetPool, KeepsToTheCap) {
    TargetPool pool = pool_of({{1, 2}});
    EXPECT_FALSE(pool.is_full(kAll));
    auto first = pool.begin(kAll, Health::good, kNow);
    auto second = pool.begin(kAll, Health::good, kNow);
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(pool.is_full(kAll));
    EXPECT_FALSE(pool.begin(kAll, Health::good, kNow).has_value());
    EXPECT_FALSE(pool.begin(kAll, Health::any, kNow).has_value());
    EXPECT_FALSE(pool.is_full({true}));
    first.reset();
    EXPECT_FALSE(pool.is_full(kAll));
    EXPECT_TRUE(pool.begin(kAll, Health::good, kNow).has_value());
}

TEST(TargetPool, AFullTargetLeavesCallsToTheOthers) {
    TargetPool pool = pool_of({{100, 1}, {1, 0}});
    std::vector<TargetPool::Begun> calls;
    for (int i = 0; i < 10; ++i)
        calls.push_back(pool.begin(kAll, Health::good, kNow).value());
    EXPECT_EQ(report(pool, 0).in_flight, 1);
    EXPECT_EQ(report(pool, 1).in_flight, 9);
}

TEST(TargetPool, LeavesOutWhatItIsTold) {
    TargetPool pool = pool_of({{1, 0}, {1, 0}});
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(pool.begin({true, false}, Health::good, kNow).value().index, 1U);
    EXPECT_FALSE(pool.begin({true, true}, Health::any, kNow).has_value());
}

TEST(TargetPool, LeavesOutWhatKeepsFailing) {
    TargetPool pool = pool_of({{1, 0}, {1, 0}});
    fail_until_open(pool, 0);
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(pool.begin(kAll, Health::good, kNow).value().index, 1U);
    fail_until_open(pool, 1);
    EXPECT_FALSE(pool.begin(kAll, Health::good, kNow).has_value());
    EXPECT_FALSE(pool.is_full(kAll));
}

TEST(TargetPool, OfThoseThatAreShutGivesTheOneThatOpensFirst) {
    TargetPool pool = pool_of({{1, 0}, {1, 0}});
    pool.begin({false, true}, Health::good, kNow)->call.failed(CallFailure::busy, 20s, kNow);
    pool.begin({true, false}, Health::good, kNow)->call.failed(CallFailure::busy, 10s, kNow);
    EXPECT_FALSE(pool.begin(kAll, Health::good, kNow).has_value());
    EXPECT_EQ(pool.begin(kAll, Health::any, kNow).value().index, 1U);
    // After its rest it is asked as before, with no probe.
    EXPECT_EQ(pool.begin(kAll, Health::good, kNow + 10s).value().index, 1U);
}

TEST(TargetPool, ARefusalIsNoFaultOfTheTarget) {
    TargetPool pool = pool_of({{1, 0}});
    for (int i = 0; i < 50; ++i) {
        pool.begin(kAll, Health::good, kNow)->call.failed(CallFailure::refused_request, std::nullopt, kNow);
        pool.begin(kAll, Health::good, kNow)->call.failed(CallFailure::busy, std::nullopt, kNow);
    }
    EXPECT_EQ(report(pool, 0).breaker, State::closed);
}

TEST(TargetPool, OneProbeAtATimeFindsOutThatItWorks) {
    TargetPool pool = pool_of({{1, 0}, {1, 0}});
    fail_until_open(pool, 0);
    const auto later = kNow + Breaker::kFirstOpen;
    std::vector<TargetPool::Begun> calls;
    for (int i = 0; i < 6; ++i)
        calls.push_back(pool.begin(kAll, Health::good, later).value());
    const auto probes = std::ranges::count(calls, 0U, &TargetPool::Begun::index);
    EXPECT_EQ(probes, 1);
    std::ranges::find(calls, 0U, &TargetPool::Begun::index)->call.answered(later);
    EXPECT_EQ(pool.targets()[0].state->report(later).breaker, State::closed);
}

TEST(TargetPool, ATimeOutCountsAsSlow) {
    TargetPool pool = pool_of({{1, 0}, {1, 0}});
    pool.begin({true, false}, Health::good, kNow)->call.answered(kNow + 50ms);
    pool.begin({false, true}, Health::good, kNow)
        ->call.failed(CallFailure::timed_out, std::nullopt, kNow + 5s);
    int slow = 0;
    for (int i = 0; i < 50; ++i)
        slow += pool.begin(kAll, Health::good, kNow + 5s)->index == 0;
    EXPECT_LE(slow, 1);
}

TEST(TargetPool, CanBeUsedFromManyThreads) {
    TargetPool pool = pool_of({{1, 3}, {1, 3}});
    std::vector<std::thread> threads;
    std::atomic<int> most{0};
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                auto begun = pool.begin(kAll, Health::good, kNow);
                if (!begun) continue;
                const int now = report(pool, begun->index).in_flight;
                for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
                }
                begun->call.answered(kNow);
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_LE(most, 3);
    EXPECT_EQ(report(pool, 0).in_flight + report(pool, 1).in_flight, 0);
}

} // namespace
} // namespace npcchat
