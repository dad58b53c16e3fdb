#include "session/archive_scripts.hpp"

#include "session/script_text.hpp"

namespace npcchat::scripts {
namespace {

#define LATE SCRIPT_IN_TIME("ARGV[1]", "'late'")

constexpr std::string_view kClaimDue = LATE R"(
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[4])
for i = 1, #due, 2 do redis.call('ZADD', KEYS[1], 'XX', ARGV[3], due[i]) end
return due
)";

constexpr std::string_view kSettleClaim = LATE R"(
local score = redis.call('ZSCORE', KEYS[1], ARGV[2])
if not score or tonumber(score) ~= tonumber(ARGV[3]) then return 0 end
if ARGV[4] == '' then return redis.call('ZREM', KEYS[1], ARGV[2]) end
redis.call('ZADD', KEYS[1], 'XX', ARGV[4], ARGV[2])
return 1
)";

constexpr std::string_view kChatState = R"(
if redis.call('EXISTS', KEYS[2]) == 0 then return {} end
local meta = redis.call('HMGET', KEYS[2], 'count', 'remembered', 'expires')
local last = redis.call('LINDEX', KEYS[3], -1) or ''
return {meta[1] or '0', meta[2] or '0', meta[3] or '0', string.sub(last, 1, 24)}
)";

constexpr std::string_view kLetChatEnd = LATE R"(
local meta = redis.call('HMGET', KEYS[2], 'count', 'remembered')
if redis.call('EXISTS', KEYS[1]) == 1 or tonumber(meta[1] or '-1') ~= tonumber(ARGV[2])
    or tonumber(meta[2] or '0') ~= tonumber(ARGV[3]) then return 'changed' end
local left = redis.call('PTTL', KEYS[2])
if left >= 0 and left <= tonumber(ARGV[4]) then return 'ok' end
redis.call('HSET', KEYS[2], 'expires', now + ARGV[4])
for i = 2, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
return 'ok'
)";
#undef LATE

} // namespace

DEFINE_SCRIPT(claim_due, kClaimDue, never)
DEFINE_SCRIPT(settle_claim, kSettleClaim, safe)
DEFINE_SCRIPT(chat_state, kChatState, safe)
DEFINE_SCRIPT(let_chat_end, kLetChatEnd, safe)

} // namespace npcchat::scripts
