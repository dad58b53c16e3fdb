#include "io/worker.hpp"

#include "tests/stores/loop.hpp"

#include <future>
#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using testing::Loop;

constexpr auto kLong = 20s;

// A job that holds the worker's thread until it is let go.
class Gate {
  public:
    auto job() {
        return [begun = begun_, opened = opened_] {
            begun->set_value();
            opened.wait();
            return 0;
        };
    }
    void wait_begun() { ASSERT_EQ(begun_->get_future().wait_for(kLong), std::future_status::ready); }
    void open() { open_.set_value(); }

  private:
    std::shared_ptr<std::promise<void>> begun_ = std::make_shared<std::promise<void>>();
    std::promise<void> open_;
    std::shared_future<void> opened_ = open_.get_future().share();
};

// Starts a job that holds `worker`, and waits until it does.
template <class Run> auto hold(Loop& loop, Gate& gate, Run run) {
    auto outcome = loop.start(run(gate.job()));
    EXPECT_FALSE(loop.run_until([] { return false; }, 1ms)); // lets it be queued
    gate.wait_begun();
    return outcome;
}

class WorkerTest : public ::testing::Test {
  protected:
    explicit WorkerTest(std::size_t max_queued = 2) : worker(std::make_unique<Worker>(max_queued)) {}

    template <class Job> auto run(Job job, Clock::duration limit = kLong) {
        return worker->run(loop.executor(), limit, std::move(job));
    }
    auto hold_worker(Gate& gate) {
        return hold(loop, gate, [this](auto job) { return run(std::move(job)); });
    }

    Loop loop;
    std::unique_ptr<Worker> worker;
};

TEST_F(WorkerTest, GivesBackWhatAJobReturns) {
    EXPECT_EQ(loop.run(run([] { return std::string("done"); })).value(), "done");
    auto moved = loop.run(run([] { return std::make_unique<int>(7); }));
    ASSERT_TRUE(moved.has_value());
    EXPECT_EQ(**moved, 7);
}

TEST_F(WorkerTest, HasAThreadOfItsOwn) {
    const auto first = loop.run(run([] { return std::this_thread::get_id(); })).value();
    EXPECT_NE(first, std::this_thread::get_id());
    EXPECT_EQ(loop.run(run([] { return std::this_thread::get_id(); })).value(), first);
}

TEST_F(WorkerTest, RunsJobsInOrder) {
    auto order = std::make_shared<std::string>();
    const auto a = loop.start(run([order] { return (*order += "a").size(); }));
    const auto b = loop.start(run([order] { return (*order += "b").size(); }));
    EXPECT_EQ(loop.finish(b).value(), 2U);
    EXPECT_EQ(loop.finish(a).value(), 1U);
    EXPECT_EQ(*order, "ab");
}

TEST_F(WorkerTest, RefusesWhatDoesNotFitTheQueue) {
    Gate gate;
    const auto held = hold_worker(gate);
    const auto first = loop.start(run([] { return 1; }));
    const auto second = loop.start(run([] { return 2; }));
    const auto refused = loop.run(run([] { return 3; }));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().status, 503);
    EXPECT_GT(refused.error().retry_after, 0);
    gate.open();
    EXPECT_EQ(loop.finish(first).value(), 1);
    EXPECT_EQ(loop.finish(second).value(), 2);
    EXPECT_TRUE(loop.finish(held).has_value());
    EXPECT_EQ(loop.run(run([] { return 4; })).value(), 4);
}

TEST_F(WorkerTest, AJobThatHasNotBegunInTimeNeverBegins) {
    Gate gate;
    const auto held = hold_worker(gate);
    auto ran = std::make_shared<std::atomic<bool>>(false);
    const auto late = loop.run(run([ran] { return ran->exchange(true); }, 20ms));
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().status, 503);
    gate.open();
    EXPECT_EQ(loop.run(run([] { return 1; })).value(), 1); // after it in the queue
    EXPECT_FALSE(ran->load());
    EXPECT_TRUE(loop.finish(held).has_value());
}

TEST_F(WorkerTest, AJobThatHasBegunEndsUnheard) {
    Gate gate;
    const auto begun = Clock::now();
    const auto late = loop.run(run(gate.job(), 30ms));
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().status, 503);
    EXPECT_GE(Clock::now() - begun, 30ms);
    gate.open();
    EXPECT_EQ(loop.run(run([] { return 1; })).value(), 1);
}

TEST_F(WorkerTest, ItsEndRunsWhatIsQueued) {
    Gate gate;
    const auto held = hold_worker(gate);
    auto ran = std::make_shared<std::atomic<bool>>(false);
    const auto queued = loop.start(run([ran] { return ran->exchange(true); }));
    EXPECT_FALSE(loop.run_until([] { return false; }, 1ms)); // lets it be queued
    gate.open();
    worker.reset();
    EXPECT_TRUE(ran->load());
    EXPECT_TRUE(loop.finish(held).has_value());
    EXPECT_TRUE(loop.finish(queued).has_value());
}

TEST_F(WorkerTest, ServesManyLoops) {
    constexpr int kJobs = 50;
    worker = std::make_unique<Worker>(4 * kJobs);
    std::vector<std::future<int>> sums;
    for (int t = 0; t < 4; ++t) {
        sums.push_back(std::async(std::launch::async, [this] {
            Loop own;
            int sum = 0;
            for (int i = 0; i < kJobs; ++i)
                sum += own.run(worker->run(own.executor(), kLong, [] { return 1; })).value_or(0);
            return sum;
        }));
    }
    for (auto& sum : sums)
        EXPECT_EQ(sum.get(), kJobs);
}

TEST(WorkerLanes, WhatCanWaitStandsBackButIsDone) {
    Loop loop;
    Worker worker(100);
    std::string order;
    Gate gate;
    worker.post(gate.job());
    gate.wait_begun();
    worker.post([&] { order += "b"; }, Lane::background);
    worker.post([&] { order += "B"; }, Lane::background);
    for (int i = 0; i < 3; ++i)
        worker.post([&] { order += "f"; });
    gate.open();
    worker.stop();
    // The first of the background is long due.
    EXPECT_EQ(order, "bfffB");
}

} // namespace
} // namespace npcchat
