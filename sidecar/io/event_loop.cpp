#include "io/event_loop.hpp"

#include <sched.h>

namespace npcchat {
namespace {

// Whether there was something to do within the time.
bool poll_for(asio::io_context& context, Clock::time_point begun, Clock::duration time) {
    do {
        sched_yield();
        if (context.poll() > 0) return true;
    } while (!context.stopped() && Clock::now() - begun < time);
    return false;
}

} // namespace

void run_event_loop(asio::io_context& context) {
    ShortWaits short_waits;
    while (!context.stopped()) {
        if (context.poll() > 0) continue;
        const auto begun = Clock::now();
        if (short_waits.are_frequent() && poll_for(context, begun, ShortWaits::kPollFor)) {
            short_waits.add(true);
            continue;
        }
        context.run_one();
        short_waits.add(Clock::now() - begun < ShortWaits::kShortSleep);
    }
}

} // namespace npcchat
