// A circuit breaker: leaves a target alone that keeps failing, and finds out when it works again.
//
//   closed ──too many failures──▶ open ──time──▶ half open ──a probe succeeds──▶ closed
//                                  ▲                │
//                                  └─ it fails ─────┘
//
// It only says what it thinks. Where nothing else is left to ask, asking an open target is better than
// nothing: such a call is a probe too.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace npcchat {

class Breaker {
  public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    enum class State { closed, open, half_open };

    // A call under way, as it was when it began.
    struct Call {
        bool is_probe = false;
    };

    // It opens where so many calls in the window failed, and these are half of all or more.
    static constexpr int kFailures = 5;
    static constexpr std::chrono::seconds kWindow{30};
    // For how long: doubled by every probe that fails.
    static constexpr std::chrono::seconds kFirstOpen{5};
    static constexpr std::chrono::seconds kLongestOpen{60};

    State state(Time now) const;

    // Whether a call should begin: closed, or half open and no probe under way.
    bool allows(Time now) const;

    // When it is no longer open; not later than now where it is not open.
    Time open_until() const;

    // A call begins, and ends in one of three ways.
    Call began();
    void succeeded(Call call, Time now);
    void failed(Call call, Time now);
    void was_cancelled(Call call); // nobody knows how it would have ended

    // The target asked to be left alone until then. It did not fail: it needs no probe afterwards.
    void rest_until(Time time);

  private:
    struct Slot {
        std::int64_t number = -1; // of this length since the clock's start
        int calls = 0;
        int failures = 0;
    };
    static constexpr int kSlots = 10;

    void count(Time now, int failures);
    bool fails_too_often(Time now) const;
    bool is_tripped() const { return open_for_ > std::chrono::seconds(0); }

    std::array<Slot, kSlots> slots_{};
    std::chrono::seconds open_for_{0}; // 0: closed
    Time open_until_{};
    Time rest_until_{};
    int probes_ = 0; // under way
};

} // namespace npcchat
