#include "session/redis_scripts.hpp"

#include "session/script_text.hpp"

namespace npcchat::scripts {
namespace {

#define LATE(deadline) SCRIPT_IN_TIME(deadline, "LATE")

// Puts off the end of all of a chat's keys by `ttl` milliseconds, and notes when it will be.
#define EXTEND(ttl)                                                                                          \
    "redis.call('HSET', KEYS[2], 'expires', now + " ttl ")\n"                                                \
    "for i = 2, 4 do redis.call('PEXPIRE', KEYS[i], " ttl ") end\n"

constexpr std::string_view kExtend = "local LATE = 'late'\n" LATE("ARGV[2]") R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('HEXISTS', KEYS[2], 'count') == 0 then
    return 'ended'
end
)" EXTEND("ARGV[3]") "return 'ok'";

// Sent a second time, it finds what it has stored.
constexpr std::string_view kCommit = "local LATE = 'late'\n" LATE("ARGV[2]") R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    local newest = redis.call('LRANGE', KEYS[3], -2, -1)
    if newest[1] ~= ARGV[6] or newest[2] ~= ARGV[7] then return 'lost' end
    redis.call('HSET', KEYS[2], 'npc', ARGV[5])
    return 'ok'
end
local count = redis.call('RPUSH', KEYS[3], ARGV[6], ARGV[7])
redis.call('DEL', KEYS[1])
if ARGV[4] == '0' and ARGV[8] == '' and count > 2 then
    redis.call('HSET', KEYS[2], 'npc', ARGV[5], 'count', count)
    return 'ok'
end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[4], count - 1, ARGV[8]) end
redis.call('HSET', KEYS[2], 'npc', ARGV[5], 'count', count, 'expires', now + ARGV[3])
for i = 2, (count > 2 or ARGV[8] ~= '') and 4 or 3 do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
return 'ok')";

constexpr std::string_view kCommitMemory = "local LATE = 'late'\n" LATE("ARGV[2]") R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    if redis.call('HGET', KEYS[2], 'memory') ~= ARGV[4] then return 'lost' end
    redis.call('HSET', KEYS[2], 'memory', ARGV[4])
    return 'ok'
end
local remembered = math.min(tonumber(ARGV[5]), redis.call('LLEN', KEYS[3]))
redis.call('HSET', KEYS[2], 'memory', ARGV[4], 'remembered', remembered)
redis.call('DEL', KEYS[1])
)" EXTEND("ARGV[3]") "return 'ok'";

constexpr std::string_view kRelease = R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
)";

// Once replicas have what it writes, they have what was written before.
constexpr std::string_view kConfirm = "local LATE = 'late'\n" LATE("ARGV[2]") R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
redis.call('DEL', KEYS[1])
return 'ok'
)";

constexpr std::string_view kRenew = "local LATE = 0\n" LATE("ARGV[3]") R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
)";

constexpr std::string_view kHistory = R"(
local meta = redis.call('HMGET', KEYS[2], 'npc', 'memory', 'remembered')
return {meta[1], meta[2], meta[3], redis.call('LRANGE', KEYS[3], 0, -1), redis.call('HGETALL', KEYS[4])}
)";

constexpr std::string_view kImportChat = "local LATE = 'late'\n" LATE("ARGV[1]") R"(
local count = tonumber(ARGV[3])
local has = redis.call('EXISTS', KEYS[2]) > 0 and redis.call('LLEN', KEYS[3]) or -1
if has ~= count then return 'other' end
count = math.max(count, 0)
for i = 7, #ARGV, 2 do
    count = redis.call('RPUSH', KEYS[3], ARGV[i])
    if ARGV[i + 1] ~= '' then redis.call('HSET', KEYS[4], count - 1, ARGV[i + 1]) end
end
redis.call('HSET', KEYS[2], 'memory', ARGV[5], 'remembered', ARGV[6], 'count', count)
if ARGV[4] ~= '?' then redis.call('HSET', KEYS[2], 'npc', ARGV[4]) end
)" EXTEND("ARGV[2]") "return 'ok'";
#undef EXTEND
#undef LATE

} // namespace

#define KEPT_SCRIPT(name, source)                                                                            \
    const Redis::Script& name() {                                                                            \
        static const Redis::Script script = Redis::make_kept_script(source);                                 \
        return script;                                                                                       \
    }
DEFINE_SCRIPT(extend, kExtend, safe)
KEPT_SCRIPT(commit, kCommit)
KEPT_SCRIPT(commit_memory, kCommitMemory)
KEPT_SCRIPT(confirm, kConfirm)
DEFINE_SCRIPT(release, kRelease, safe)
DEFINE_SCRIPT(renew, kRenew, safe)
DEFINE_SCRIPT(history, kHistory, safe)
DEFINE_SCRIPT(import_chat, kImportChat, never)
#undef KEPT_SCRIPT

} // namespace npcchat::scripts
