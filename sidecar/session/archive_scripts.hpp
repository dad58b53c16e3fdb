// The Lua scripts of the archive: of its queues, and of the chats that it moves.
#pragma once

#include "io/redis.hpp"

namespace npcchat::scripts {

// KEYS: a queue. ARGV: deadline, now, until, most. Gives {member, score…} of those that are due, and puts
// their scores to `until`, so that nobody else takes them before; or "late".
const Redis::Script& claim_due();

// KEYS: a queue. ARGV: deadline, member, the score that claim_due has given it, the next one ('' takes it
// out). Gives 0, and does nothing, where it has another score by now.
const Redis::Script& settle_claim();

// KEYS: the chat's lease, meta, log and pad, for both.
// Gives {} where there is no chat, or {count, remembered, expires, the beginning of the last message}.
const Redis::Script& chat_state();

// ARGV: deadline, count, remembered, ms. Has the chat end after so long at most, where it is still so and
// nobody answers in it. Gives "late", "changed" or "ok".
const Redis::Script& let_chat_end();

} // namespace npcchat::scripts
