// Something that ends by itself unless it is renewed, renewed for as long as this lives.
#pragma once

#include "io/task.hpp"

#include <memory>

namespace npcchat {

class Renewal {
  public:
    // `renew` is called `every` so often on the loop, one call after the other; what it uses outlives the
    // loop's last coroutine.
    Renewal(Executor executor, Clock::duration every, std::function<Task<void>()> renew);
    ~Renewal();
    Renewal(const Renewal&) = delete;
    Renewal& operator=(const Renewal&) = delete;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace npcchat
