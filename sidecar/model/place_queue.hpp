// Those who wait until a model's targets have a place for their call. Safe to use from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>

namespace npcchat {

class PlaceQueue {
  public:
    using Ticket = std::uint64_t;

    // `wake` is called once, from any thread, when it is this one's turn; it must not block.
    Ticket enter(std::move_only_function<void()> wake);
    // Whether it still waited.
    bool leave(Ticket ticket);

    // A place is free: wakes who has waited longest.
    void wake_one();

    std::size_t size() const;

  private:
    struct Waiting {
        Ticket ticket;
        std::move_only_function<void()> wake;
    };

    mutable std::mutex mutex_;
    std::list<Waiting> waiting_; // oldest first
    Ticket next_ = 1;
};

} // namespace npcchat
