// Whether the work for a client is still wanted. For one event loop.
#pragma once

#include <functional>
#include <utility>

namespace npcchat {

class Cancellation {
  public:
    bool requested() const { return requested_; }

    void request() {
        if (std::exchange(requested_, true) || !watch_) return;
        // Whom it calls may end the watch.
        auto then = std::move(watch_->then_);
        then();
    }

    // Calls `then` when cancellation is requested, unless its life has ended. One at a time.
    class Watch {
      public:
        Watch(Cancellation& watched, std::move_only_function<void()> then)
            : watched_(watched), then_(std::move(then)) {
            watched_.watch_ = this;
        }
        ~Watch() { watched_.watch_ = nullptr; }
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

      private:
        friend class Cancellation;
        Cancellation& watched_;
        std::move_only_function<void()> then_;
    };

  private:
    bool requested_ = false;
    Watch* watch_ = nullptr;
};

} // namespace npcchat
