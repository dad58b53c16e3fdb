#include "session/token_account.hpp"

#include <algorithm>
#include <cmath>

namespace npcchat {
namespace {

constexpr Millis kMinuteMillis = 60'000;
constexpr Millis kChatsWait = 1000; // nobody knows when a chat's answer will have been given

} // namespace

// token_scripts.cpp has the same in Lua: what changes here must change there.
std::optional<TokenAccount::Refusal> TokenAccount::reserve(const Reservation& reservation, std::int64_t least,
                                                           Millis now) {
    let_pass(reservation.limits, now);
    if (least > 0) {
        if (auto refusal = find_shortage(reservation.limits, least, now)) return refusal;
    }
    if (reservation.limits.per_minute > 0) owed_ += static_cast<double>(reservation.tokens);
    day_used_ += reservation.tokens;
    reservations_.insert_or_assign(reservation.id, now + kReservationMillis);
    return std::nullopt;
}

// The one that lasts longest.
std::optional<TokenAccount::Refusal> TokenAccount::find_shortage(const TokenLimits& limits,
                                                                 std::int64_t least, Millis now) const {
    std::optional<Refusal> refusal;
    const auto refuse = [&refusal](Shortage shortage, Millis wait) {
        if (!refusal || wait > refusal->wait) refusal = Refusal{shortage, wait};
    };
    if (limits.chats > 0 && std::cmp_greater_equal(reservations_.size(), limits.chats))
        refuse(Shortage::chats, kChatsWait);
    const double lack = owed_ + static_cast<double>(least - limits.per_minute);
    if (limits.per_minute > 0 && lack > 0) {
        const double wait = lack * kMinuteMillis / static_cast<double>(limits.per_minute);
        // More than a minute has: no wait will do.
        refuse(Shortage::minute,
               least > limits.per_minute ? kMinuteMillis : static_cast<Millis>(std::ceil(wait)));
    }
    if (limits.per_day > 0 && day_used_ + least > limits.per_day)
        refuse(Shortage::day, (day_ + 1) * kDayMillis - now);
    return refusal;
}

void TokenAccount::settle(const Reservation& reservation, std::int64_t used, Millis now) {
    let_pass(reservation.limits, now);
    if (reservations_.erase(reservation.id) == 0) return;
    const std::int64_t more = used - reservation.tokens;
    if (reservation.limits.per_minute > 0) owed_ = std::max(0.0, owed_ + static_cast<double>(more));
    if (reservation.day == day_) day_used_ = std::max<std::int64_t>(0, day_used_ + more);
}

void TokenAccount::renew(const Reservation& reservation, Millis now) {
    const auto found = reservations_.find(reservation.id);
    if (found != reservations_.end()) found->second = now + kReservationMillis;
}

bool TokenAccount::is_idle(Millis now) const {
    return reservations_.empty() && now - at_ > kMinuteMillis * 60;
}

void TokenAccount::let_pass(const TokenLimits& limits, Millis now) {
    std::erase_if(reservations_, [now](const auto& one) { return one.second <= now; });
    const double passed = static_cast<double>(std::max<Millis>(0, now - at_));
    owed_ = std::max(0.0, owed_ - passed * static_cast<double>(limits.per_minute) / kMinuteMillis);
    at_ = now;
    if (now / kDayMillis == day_) return;
    day_ = now / kDayMillis;
    day_used_ = 0;
}

} // namespace npcchat
