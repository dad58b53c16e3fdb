// The targets of one model as they do now: how busy, how quick, how well. Shared by all event loops, and kept
// over a reload of the table. Safe to use from any thread.
#pragma once

#include "model/balancer.hpp"
#include "model/breaker.hpp"
#include "model/place_queue.hpp"
#include "model/retry.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <vector>

namespace npcchat {

inline constexpr std::size_t kCallFailures = 8;

class TargetState {
  public:
    using Clock = std::chrono::steady_clock;

    // A call under way. What is never told how it ended was cancelled.
    class Call {
      public:
        Call() = default;
        // `queue`: who waits for the place that this call takes; null where nobody does.
        Call(std::shared_ptr<TargetState> target, std::shared_ptr<PlaceQueue> queue, Breaker::Call of_breaker,
             Clock::time_point begun)
            : target_(std::move(target)), queue_(std::move(queue)), of_breaker_(of_breaker), begun_(begun) {}
        ~Call();
        Call(Call&&) = default;
        Call& operator=(Call&&) = delete;

        // The first piece of an answer, or all of it. Once.
        void answered(Clock::time_point now);
        // Also after `answered`, where the rest of the answer did not come.
        void failed(CallFailure failure, std::optional<std::chrono::seconds> retry_after,
                    Clock::time_point now);

      private:
        std::shared_ptr<TargetState> target_;
        std::shared_ptr<PlaceQueue> queue_;
        Breaker::Call of_breaker_;
        Clock::time_point begun_;
        bool reported_ = false; // to the breaker
    };

    // What /metrics shows.
    struct Report {
        Breaker::State breaker = Breaker::State::closed;
        int in_flight = 0;
        std::int64_t answered = 0;
        std::array<std::int64_t, kCallFailures> failed{}; // by CallFailure
    };
    Report report(Clock::time_point now) const;

  private:
    friend class TargetPool;

    mutable std::mutex mutex_;
    Breaker breaker_;
    RecentLatency latency_;
    int in_flight_ = 0;
    std::int64_t answered_ = 0;
    std::array<std::int64_t, kCallFailures> failed_{};
};

class TargetPool {
  public:
    using Clock = TargetState::Clock;

    struct Target {
        double weight = 1;
        int concurrency = 0; // calls at once, 0: any number
        std::shared_ptr<TargetState> state = std::make_shared<TargetState>();
    };

    explicit TargetPool(std::vector<Target> targets) : targets_(std::move(targets)) {}

    enum class Health {
        good, // those whose breaker allows it, balanced
        any,  // the one that will be asked again soonest
    };
    struct Begun {
        std::size_t index = 0;
        TargetState::Call call;
    };
    // Begins a call at one of the targets but for those in `without`, which may be shorter than their list.
    // Nothing, where none is left, or those that are have as many calls as they may have.
    std::optional<Begun> begin(const std::vector<bool>& without, Health health, Clock::time_point now);

    // Whether a target that is not in `without` has as many calls as it may have.
    bool is_full(const std::vector<bool>& without) const;

    const std::vector<Target>& targets() const { return targets_; }

    // For those who find it full. A call that began before a reload of the table wakes nobody of the new
    // table's.
    PlaceQueue& queue() { return *queue_; }
    const PlaceQueue& queue() const { return *queue_; }

  private:
    std::optional<std::size_t> choose(const std::vector<bool>& without, Health health, Clock::time_point now);

    const std::vector<Target> targets_;
    const std::shared_ptr<PlaceQueue> queue_ = std::make_shared<PlaceQueue>();
    mutable std::mutex mutex_;
    Balancer balancer_;
};

} // namespace npcchat
