// The Lua scripts of RedisSessionStore. KEYS are always the chat's lease, meta, log and pad, in this order.
#pragma once

#include "io/redis.hpp"

namespace npcchat::scripts {

// Puts off the chat's end. ARGV: token, deadline, idle ms. Gives "late", "ended" (it has come, or the lease
// is not ours) or "ok".
const Redis::Script& extend();

// ARGV: token, deadline, idle ms, npc, question, answer, scratchpad. Gives "late", "lost" or "ok".
const Redis::Script& commit();

// ARGV: token, deadline, idle ms, memory, number of messages. Gives "late", "lost" or "ok".
const Redis::Script& commit_memory();

// ARGV: token. Gives 1 where the lease was ours.
const Redis::Script& release();

// ARGV: token, deadline. Gives "late", "lost" or "ok".
const Redis::Script& confirm();

// ARGV: token, lease in ms, deadline. Gives 1 where the lease was ours.
const Redis::Script& renew();

// Gives {npc | nil, memory | nil, remembered | nil, log, pad as pairs}; one script, so that no turn is half
// in it.
const Redis::Script& history();

// ARGV: deadline, idle ms, number of messages that it must have (-1: it must not be there), npc ('?' for
// none), memory, remembered, then for each message the message and its scratchpad. Gives "late", "other" (it
// has another number) or "ok".
const Redis::Script& import_chat();

} // namespace npcchat::scripts
