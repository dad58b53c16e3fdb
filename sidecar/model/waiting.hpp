// Waits between the attempts of a call. Cancellation, which may be null, ends them at once.
#pragma once

#include "io/cancellation.hpp"
#include "io/task.hpp"
#include "model/place_queue.hpp"

namespace npcchat {

Task<void> wait_for(Clock::duration time, Cancellation* cancellation);

// Until a place may be free, or `until`.
Task<void> wait_for_place(PlaceQueue& queue, Clock::time_point until, Cancellation* cancellation);

} // namespace npcchat
