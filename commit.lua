local LATE = 'late'
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[2]) then return LATE end

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
local count = redis.call('RPUSH', KEYS[3], ARGV[6], ARGV[7])
redis.call('HSET', KEYS[2], 'npc', ARGV[5], 'count', count)
if ARGV[8] ~= '' then redis.call('HSET', KEYS[4], count - 1, ARGV[8]) end
redis.call('DEL', KEYS[1])
if ARGV[4] == '0' and ARGV[8] == '' and count > 2 then return 'ok' end
return 'ok'
