// The Lua scripts of RedisTokenBudget. KEYS are always the user's hash `tokens` (owed, at, day, used) and
// sorted set `answering` (reservations by the millisecond of their end), in this order.
#pragma once

#include "io/redis.hpp"

namespace npcchat::scripts {

// ARGV: deadline, id, life in ms, tokens per minute, per day, chats (0: no limit), least, reserved.
// Gives {"late"}, {"ok", day}, or what is short and for how many ms: {"chats" | "minute" | "day", ms}.
const Redis::Script& reserve();

// ARGV: id, used minus reserved, day of the reservation, tokens per minute. Gives 1 where it was not settled
// yet.
const Redis::Script& settle();

// ARGV: deadline, id, life in ms. Gives 1 where it still lived.
const Redis::Script& renew_reservation();

} // namespace npcchat::scripts
