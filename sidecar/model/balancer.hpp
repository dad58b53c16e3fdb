// Which of a model's targets is asked next.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace npcchat {

// The recent time to first token of a target: a moving average that forgets by half in kHalfLife, between
// calls too. So one that was slow once is tried again, and tells how it is now.
class RecentLatency {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kHalfLife{10};

    void observe(std::chrono::duration<double> latency, Clock::time_point now);

    // Seconds; nothing before the first observation.
    std::optional<double> at(Clock::time_point now) const;

  private:
    double average_ = 0;
    Clock::time_point when_{}; // of the last observation
    bool known_ = false;
};

// A target as it stands for one choice.
struct Candidate {
    bool usable = false; // else it is not chosen
    double weight = 1;   // over 0
    int in_flight = 0;
    std::optional<double> latency; // seconds, nothing where unknown
};

// Deals calls out in turn, smoothly (as nginx's round robin does), each target in proportion to its share:
//
//   share = weight / latency / (1 + in_flight / weight')²
//
// where weight' is the weight in relation to the mean. So targets that are idle and equally quick get what
// their weights say, and with many calls under way each target has as many of them as its weight says.
class Balancer {
  public:
    // Below this, differences of latency are noise. Seconds.
    static constexpr double kLeastLatency = 0.02;

    // The index of the chosen one, or nothing where none is usable. Always the same targets in the same
    // order.
    std::optional<std::size_t> choose(std::span<const Candidate> candidates);

  private:
    std::vector<double> credits_;
};

} // namespace npcchat
