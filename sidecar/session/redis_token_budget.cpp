#include "session/redis_token_budget.hpp"

#include "base/ids.hpp"
#include "session/token_scripts.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr std::size_t kIdBytes = 12;

std::vector<std::string> keys_of(UserId user_id) {
    const std::string stem = fmt::format("npcchat:{{u:{}}}:", user_id);
    return {stem + "tokens", stem + "answering"};
}

} // namespace

Task<Result<Reservation>> RedisTokenBudget::reserve(UserId user_id, TokenLimits limits,
                                                    TokenEstimate estimate) {
    Reservation wanted{user_id, random_token(kIdBytes), limits, estimate.reserved, 0};
    auto reply = co_await redis_.run(scripts::reserve(), keys_of(user_id),
                                     {redis_.deadline(), wanted.id, std::to_string(kReservationMillis),
                                      std::to_string(limits.per_minute), std::to_string(limits.per_day),
                                      std::to_string(limits.chats), std::to_string(estimate.least),
                                      std::to_string(estimate.reserved)});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    const RedisReply& parts = *reply;
    const std::string_view status = parts.size() > 0 ? parts[0].text() : "";
    if (status == "late") redis_.measure_clock();
    if (parts.size() < 2) co_return store_unavailable();
    wanted.day = parts[1].integer();
    if (status == "ok") co_return wanted;
    if (status == "chats") co_return budget_exhausted(Shortage::chats, parts[1].integer());
    if (status == "minute") co_return budget_exhausted(Shortage::minute, parts[1].integer());
    if (status == "day") co_return budget_exhausted(Shortage::day, parts[1].integer());
    co_return store_unavailable();
}

Task<void> RedisTokenBudget::settle(Reservation reservation, std::int64_t used) {
    co_await redis_.run(scripts::settle(), keys_of(reservation.user_id),
                        {reservation.id, std::to_string(used - reservation.tokens),
                         std::to_string(reservation.day), std::to_string(reservation.limits.per_minute)});
}

Task<void> RedisTokenBudget::renew(Reservation reservation) {
    co_await redis_.run(scripts::renew_reservation(), keys_of(reservation.user_id),
                        {redis_.deadline(), reservation.id, std::to_string(kReservationMillis)});
}

} // namespace npcchat
