#include "session/token_scripts.hpp"

#include "session/script_text.hpp"

namespace npcchat::scripts {
namespace {

// token_account.cpp has the same in C++: what changes here must change there.
#define LET_PASS(per_minute)                                                                                 \
    "redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)\n"                                                 \
    "local account = redis.call('HMGET', KEYS[1], 'owed', 'at', 'day', 'used')\n"                            \
    "local passed = math.max(0, now - tonumber(account[2] or now))\n"                                        \
    "local owed = math.max(0, tonumber(account[1] or 0) - passed * tonumber(" per_minute ") / 60000)\n"      \
    "local day = math.floor(now / 86400000)\n"                                                               \
    "local used = tonumber(account[3]) == day and tonumber(account[4]) or 0\n"
#define KEEP                                                                                                 \
    "redis.call('HSET', KEYS[1], 'owed', owed, 'at', now, 'day', day, 'used', used)\n"                       \
    "redis.call('PEXPIRE', KEYS[1], 2 * 86400000)\n"

constexpr std::string_view kReserve = SCRIPT_NOW R"(
if now > tonumber(ARGV[1]) then return {'late'} end
)" LET_PASS("ARGV[4]") R"(
local per_minute, per_day, chats = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local least, reserved = tonumber(ARGV[7]), tonumber(ARGV[8])
local short, wait = nil, 0
local function refuse(what, ms)
    if ms > wait then short, wait = what, ms end
end
if least > 0 then
    if chats > 0 and redis.call('ZCARD', KEYS[2]) >= chats then refuse('chats', 1000) end
    local lack = owed + least - per_minute
    if per_minute > 0 and lack > 0 then
        refuse('minute', least > per_minute and 60000 or math.ceil(lack * 60000 / per_minute))
    end
    if per_day > 0 and used + least > per_day then refuse('day', (day + 1) * 86400000 - now) end
end
if short then return {short, wait} end
if per_minute > 0 then owed = owed + reserved end
used = used + reserved
)" KEEP R"(
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[2])
redis.call('PEXPIRE', KEYS[2], 2 * 86400000)
return {'ok', day}
)";

// Has no deadline: it is right whenever it happens, once.
constexpr std::string_view kSettle = SCRIPT_NOW LET_PASS("ARGV[4]") R"(
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then return 0 end
local more = tonumber(ARGV[2])
if tonumber(ARGV[4]) > 0 then owed = math.max(0, owed + more) end
if tonumber(ARGV[3]) == day then used = math.max(0, used + more) end
)" KEEP R"(
return 1
)";

constexpr std::string_view kRenew = SCRIPT_NOW R"(
if now > tonumber(ARGV[1]) then return 0 end
return redis.call('ZADD', KEYS[2], 'XX', 'CH', now + tonumber(ARGV[3]), ARGV[2])
)";
#undef KEEP
#undef LET_PASS

} // namespace

DEFINE_SCRIPT(reserve, kReserve, never)
DEFINE_SCRIPT(settle, kSettle, safe)
DEFINE_SCRIPT(renew_reservation, kRenew, safe)

} // namespace npcchat::scripts
