// One event loop in a test: runs coroutines to their end, with a bound on the wait.
#pragma once

#include "io/task.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>

namespace npcchat::testing {

using namespace std::chrono_literals;

inline constexpr Clock::duration kPatience = 20s;
inline constexpr Clock::duration kPollInterval = 10ms;

// What a coroutine gave back, once it has.
template <class T> using Outcome = std::shared_ptr<std::optional<T>>;

class Loop {
  public:
    Executor executor() { return context_.get_executor(); }

    // Begins the task, which goes on whenever the loop runs. What it refers to must outlive it.
    template <class T> Outcome<T> start(Task<T> task) {
        auto outcome = std::make_shared<std::optional<T>>();
        spawn(executor(), "test", [task = std::move(task), outcome]() mutable -> Task<void> {
            outcome->emplace(co_await std::move(task));
        });
        return outcome;
    }

    template <class T> T finish(const Outcome<T>& outcome) {
        if (!run_until([&] { return outcome->has_value(); }, kPatience)) {
            throw std::runtime_error("the coroutine did not end in time");
        }
        return std::move(**outcome);
    }

    template <class T> T run(Task<T> task) { return finish(start(std::move(task))); }

    void run(Task<void> task) {
        run([](Task<void> inner) -> Task<std::monostate> {
            co_await std::move(inner);
            co_return std::monostate();
        }(std::move(task)));
    }

    // Runs the loop until `done` says so; false where it does not within `limit`.
    template <class Done> bool run_until(Done done, Clock::duration limit) {
        const auto give_up = Clock::now() + limit;
        while (!done()) {
            if (Clock::now() >= give_up) return false;
            context_.restart();
            // Asks `done` again now and then, also where nothing happens on the loop.
            Timer tick(executor(), kPollInterval);
            tick.async_wait([](boost::system::error_code) {});
            context_.run_one_until(give_up);
        }
        return true;
    }

    // Runs what make_task() makes, again and again, until `wanted` is true of what it gives back; false where
    // it is not within `limit`.
    template <class MakeTask, class Wanted>
    bool poll(Clock::duration limit, MakeTask make_task, Wanted wanted) {
        const auto give_up = Clock::now() + limit;
        while (!wanted(run(make_task()))) {
            if (Clock::now() >= give_up) return false;
            run_for(kPollInterval);
        }
        return true;
    }

    void run_for(Clock::duration time) {
        run_until([] { return false; }, time);
    }

  private:
    asio::io_context context_{1};
};

} // namespace npcchat::testing
