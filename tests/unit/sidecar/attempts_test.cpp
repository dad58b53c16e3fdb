#include "model/attempts.hpp"

#include "model/models_file.hpp"

#include <cstdio>
#include <gtest/gtest.h>
#include <list>
#include <map>
#include <unistd.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using Clock = Attempts::Clock;
using enum CallFailure;

constexpr Clock::time_point kNow{1h};

// Models a (targets a1 and a2, which has next to no weight), b (b1) and c (c1). a falls back to b and c.
class Table {
  public:
    explicit Table(const std::string& more_of_targets = "") {
        const auto target = [&](const char* name, const char* weight = "1") {
            return R"({"base_url": "http://127.0.0.1:1/v1", "model": ")" + std::string(name) +
                   R"(", "weight": )" + weight + more_of_targets + "}";
        };
        const std::string path = testing::TempDir() + "attempts-" + std::to_string(getpid()) + ".json";
        FILE* file = std::fopen(path.c_str(), "w");
        std::fputs((R"({"models": [{"name": "a", "fallbacks": ["b", "c"], "targets": [)" + target("a1") +
                    ", " + target("a2", "0.001") + R"(]}, {"name": "b", "targets": [)" + target("b1") +
                    R"(]}, {"name": "c", "targets": [)" + target("c1") + "]}]}")
                       .c_str(),
                   file);
        std::fclose(file);
        table_ = ModelTable::from_environment(
                     [&](const char* name) -> std::optional<std::string> {
                         if (std::string_view(name) == "MODELS_FILE") return path;
                         return std::nullopt;
                     },
                     HttpTimeouts{})
                     .value();
        std::remove(path.c_str());
    }

    Attempts call(const char* model, Clock::time_point now = kNow) const {
        return Attempts(*table_->find(model), now);
    }
    TargetPool& pool(const char* model) const { return *table_->find(model)->pool; }

  private:
    ModelTablePtr table_;
};

std::string describe(Attempts::Step& step) {
    if (auto* ask = std::get_if<Attempts::Ask>(&step)) return ask->target->upstream_name;
    if (auto* wait = std::get_if<Attempts::Wait>(&step)) {
        return "wait " +
               std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(wait->time).count());
    }
    if (auto* queue = std::get_if<Attempts::Queue>(&step)) return "queue " + queue->model->name;
    return "give up";
}

// All the steps of a call whose every Ask fails in the same way.
std::vector<std::string> steps(Attempts attempts, CallFailure failure,
                               std::optional<std::chrono::seconds> retry_after = std::nullopt) {
    std::vector<std::string> taken;
    auto now = kNow;
    while (taken.size() < 50) {
        Attempts::Step step = attempts.next(now, 0);
        taken.push_back(describe(step));
        if (auto* ask = std::get_if<Attempts::Ask>(&step)) {
            ask->call.failed(failure, retry_after, now);
            attempts.failed(failure, retry_after);
        } else if (auto* wait = std::get_if<Attempts::Wait>(&step)) {
            now += wait->time;
        } else {
            break;
        }
    }
    return taken;
}

using Steps = std::vector<std::string>;

TEST(Attempts, AsksEveryTargetThenTheFallbacksThenAgain) {
    const Steps round = {"a1", "a2", "b1", "c1"};
    Steps expected;
    for (const auto* then : {"wait 250", "wait 500", "give up"}) {
        expected.insert(expected.end(), round.begin(), round.end());
        expected.emplace_back(then);
    }
    EXPECT_EQ(steps(Table().call("a"), unreachable), expected);
    EXPECT_EQ(steps(Table().call("a"), server_error), expected);
}

TEST(Attempts, OneTargetIsAskedAgainAfterAWhile) {
    const Steps expected = {"b1", "wait 250", "b1", "wait 500", "b1", "give up"};
    for (const CallFailure failure : {unreachable, broken, server_error, busy})
        EXPECT_EQ(steps(Table().call("b"), failure), expected);
}

TEST(Attempts, WhatWouldFailAgainIsNotAskedAgain) {
    for (const CallFailure failure : {timed_out, unusable, not_served}) {
        EXPECT_EQ(steps(Table().call("b"), failure), (Steps{"b1", "give up"}));
        EXPECT_EQ(steps(Table().call("a"), failure), (Steps{"a1", "a2", "b1", "c1", "give up"}));
    }
    EXPECT_EQ(steps(Table().call("a"), refused_request), (Steps{"a1", "give up"}));
}

TEST(Attempts, OnlyThoseThatMayHelpAreAskedAgain) {
    const Table table;
    Attempts attempts = table.call("a");
    const std::map<std::string, CallFailure> faults = {
        {"a1", timed_out}, {"a2", server_error}, {"b1", not_served}, {"c1", unusable}};
    Steps taken;
    auto now = kNow;
    for (;;) {
        Attempts::Step step = attempts.next(now, 0);
        taken.push_back(describe(step));
        if (std::holds_alternative<Attempts::GiveUp>(step)) break;
        if (std::holds_alternative<Attempts::Ask>(step))
            attempts.failed(faults.at(taken.back()), std::nullopt);
        if (auto* wait = std::get_if<Attempts::Wait>(&step)) now += wait->time;
    }
    EXPECT_EQ(taken, (Steps{"a1", "a2", "b1", "c1", "wait 250", "a2", "wait 500", "a2", "give up"}));
}

TEST(Attempts, HonoursRetryAfter) {
    EXPECT_EQ(steps(Table().call("b"), busy, 2s),
              (Steps{"b1", "wait 2062", "b1", "wait 2125", "b1", "give up"}));
    EXPECT_EQ(steps(Table().call("b"), busy, 60s), (Steps{"b1", "give up"}));
}

TEST(Attempts, WaitsForTheFirstThatCanBeAskedAgain) {
    const Table table;
    Attempts attempts = table.call("a");
    for (const auto retry_after : {60s, 3s, 5s, 60s}) {
        Attempts::Step step = attempts.next(kNow, 0);
        std::get<Attempts::Ask>(step).call.failed(busy, retry_after, kNow);
        attempts.failed(busy, retry_after);
    }
    Attempts::Step step = attempts.next(kNow, 0);
    EXPECT_EQ(describe(step), "wait 3062");
    // Those that still rest are left alone.
    Attempts::Step after = attempts.next(kNow + 3062ms, 0);
    EXPECT_EQ(describe(after), "a2");
    attempts.failed(busy, 3s);
    Attempts::Step last = attempts.next(kNow + 3062ms, 0);
    EXPECT_EQ(describe(last), "wait 3125");
}

TEST(Attempts, EndsWithItsTime) {
    const Table table(R"(, "timeouts": {"whole": 2})");
    Attempts attempts = table.call("b");
    EXPECT_EQ(attempts.deadline(), kNow + 2s);
    Attempts::Step first = attempts.next(kNow, 0);
    EXPECT_EQ(describe(first), "b1");
    attempts.failed(server_error, std::nullopt);
    Attempts::Step late = attempts.next(kNow + 1900ms, 0);
    EXPECT_EQ(describe(late), "give up");
    Attempts too_late = table.call("b");
    Attempts::Step none = too_late.next(kNow + 2s, 0);
    EXPECT_EQ(describe(none), "give up");
}

TEST(Attempts, LeavesOutWhatKeepsFailing) {
    const Table table;
    for (int i = 0; i < Breaker::kFailures; ++i)
        table.pool("a")
            .begin({false, true}, TargetPool::Health::any, kNow)
            ->call.failed(server_error, {}, kNow);
    for (int i = 0; i < 4; ++i) {
        Attempts attempts = table.call("a");
        Attempts::Step step = attempts.next(kNow, 0);
        EXPECT_EQ(describe(step), "a2");
    }
    EXPECT_EQ(steps(table.call("a"), timed_out), (Steps{"a2", "b1", "c1", "give up"}));
}

TEST(Attempts, AsksOneThatSeemsDownWhereAllDo) {
    const Table table;
    for (int i = 0; i < Breaker::kFailures; ++i)
        table.pool("b").begin({}, TargetPool::Health::any, kNow)->call.failed(server_error, {}, kNow);
    Attempts attempts = table.call("b");
    Attempts::Step step = attempts.next(kNow, 0);
    ASSERT_EQ(describe(step), "b1");
    std::get<Attempts::Ask>(step).call.answered(kNow);
    EXPECT_EQ(table.pool("b").targets()[0].state->report(kNow).breaker, Breaker::State::closed);
}

TEST(Attempts, StopsAskingOneThatSeemsDown) {
    const Table table;
    for (int i = 0; i < Breaker::kFailures; ++i)
        table.pool("b").begin({}, TargetPool::Health::any, kNow)->call.failed(server_error, {}, kNow);
    EXPECT_EQ(steps(table.call("b"), server_error), (Steps{"b1", "wait 250", "give up"}));
}

TEST(Attempts, WaitsForAPlaceWhereAllAreFull) {
    const Table table(R"(, "concurrency": 1)");
    std::list<Attempts::Step> held;
    Steps taken;
    for (int i = 0; i < 5; ++i) {
        Attempts attempts = table.call("a");
        held.push_back(attempts.next(kNow, 0));
        taken.push_back(describe(held.back()));
    }
    EXPECT_EQ(taken, (Steps{"a1", "a2", "b1", "c1", "queue a"}));
    Attempts attempts = table.call("a");
    held.erase(std::next(held.begin()));
    Attempts::Step step = attempts.next(kNow, 0);
    EXPECT_EQ(describe(step), "a2");
}

} // namespace
} // namespace npcchat
