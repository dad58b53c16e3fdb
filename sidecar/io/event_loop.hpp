// An event loop that looks for events a little longer before it sleeps, where that has paid of late.
#pragma once

#include "io/task.hpp"

namespace npcchat {

// What share of the waits for an event were short, the latest ones counting most: a moving average.
class ShortWaits {
  public:
    // Polling for longer costs more than it saves.
    static constexpr Clock::duration kPollFor = std::chrono::microseconds(200);
    // A wait that was slept through has the time in it that waking takes, so it may be longer.
    static constexpr Clock::duration kShortSleep = std::chrono::microseconds(300);

    bool are_frequent() const { return share_ > kFrequent; }
    void add(bool was_short) { share_ += ((was_short ? 1.0 : 0.0) - share_) / kWeight; }

  private:
    static constexpr double kFrequent = 0.4; // one of two: a model's answer, then the next question
    static constexpr double kWeight = 16;
    double share_ = 0;
};

// Runs `context` until it is stopped or has nothing left to do, as its run() does. Edge, Redis and a model on
// the same machine answer within microseconds, less than going to sleep and being woken takes; then the loop
// polls before it sleeps, and yields the processor to whoever has work. Without such company, or load, it
// sleeps at once. The kernel does the same for a guest: https://docs.kernel.org/virt/kvm/halt-polling.html
void run_event_loop(asio::io_context& context);

} // namespace npcchat
