local LATE = {'late'}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return LATE end

local meta = redis.call('HMGET', KEYS[2], 'npc', 'memory', 'remembered', 'count', 'expires')
if meta[1] and ARGV[4] ~= '?' and meta[1] ~= ARGV[4] then return {'npc'} end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {'busy'} end
local count = tonumber(meta[4] or '0')
local oldest = tonumber(meta[3] or '0')
local left = tonumber(ARGV[5])
local newest_first = {}
local last = count - 1
while last >= oldest and left > 0 do
    local first = math.max(oldest, last - 31)
    local chunk = redis.call('LRANGE', KEYS[3], first, last)
    for i = #chunk, 1, -1 do
        if left <= 0 then break end
        newest_first[#newest_first + 1] = chunk[i]
        left = left - #chunk[i]
    end
    last = first - 1
end
local ends_soon = tonumber(meta[5] or '0') <= now + tonumber(ARGV[6])
local reply = {'ok', meta[1], meta[2], count, ends_soon and 1 or 0}
for i = #newest_first, 1, -1 do reply[#reply + 1] = newest_first[i] end
return reply

