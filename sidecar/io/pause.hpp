// Letting time pass.
#pragma once

#include "io/task.hpp"

namespace npcchat {

inline Task<void> pause(Executor executor, Clock::duration time) {
    Timer timer(executor);
    timer.expires_after(time);
    co_await timer.async_wait(use_task);
}

} // namespace npcchat
