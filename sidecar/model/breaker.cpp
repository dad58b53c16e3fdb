#include "model/breaker.hpp"

#include <algorithm>

namespace npcchat {
namespace {

std::int64_t slot_number(Breaker::Time now, int slots) {
    return now.time_since_epoch() / (Breaker::kWindow / slots);
}

} // namespace

Breaker::State Breaker::state(Time now) const {
    if (now < open_until()) return State::open;
    return is_tripped() ? State::half_open : State::closed;
}

bool Breaker::allows(Time now) const {
    return now >= open_until() && (!is_tripped() || probes_ == 0);
}

Breaker::Time Breaker::open_until() const {
    return is_tripped() ? std::max(open_until_, rest_until_) : rest_until_;
}

Breaker::Call Breaker::began() {
    const Call call{is_tripped()};
    if (call.is_probe) ++probes_;
    return call;
}

void Breaker::succeeded(Call call, Time now) {
    if (call.is_probe) {
        --probes_;
        if (is_tripped()) slots_ = {}; // what was before has nothing to say any more
        open_for_ = std::chrono::seconds(0);
    }
    count(now, 0);
}

void Breaker::failed(Call call, Time now) {
    if (call.is_probe) --probes_;
    count(now, 1);
    if (is_tripped()) {
        // Calls from before it opened say nothing new, nor those that were made although it is open.
        if (!call.is_probe || now < open_until_) return;
        open_for_ = std::min(open_for_ * 2, kLongestOpen);
    } else {
        if (!fails_too_often(now)) return;
        open_for_ = kFirstOpen;
    }
    open_until_ = now + open_for_;
}

void Breaker::was_cancelled(Call call) {
    if (call.is_probe) --probes_;
}

void Breaker::rest_until(Time time) {
    rest_until_ = std::max(rest_until_, time);
}

void Breaker::count(Time now, int failures) {
    const std::int64_t number = slot_number(now, kSlots);
    Slot& slot = slots_[static_cast<std::size_t>(number % kSlots)];
    if (slot.number != number) slot = Slot{number, 0, 0};
    ++slot.calls;
    slot.failures += failures;
}

bool Breaker::fails_too_often(Time now) const {
    const std::int64_t oldest = slot_number(now, kSlots) - kSlots + 1;
    int calls = 0;
    int failures = 0;
    for (const Slot& slot : slots_) {
        if (slot.number < oldest) continue;
        calls += slot.calls;
        failures += slot.failures;
    }
    return failures >= kFailures && failures * 2 >= calls;
}

} // namespace npcchat
