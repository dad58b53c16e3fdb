-- Requests of a soak, drawn at random: a file and a proxied route with known keys, and now and then an unknown key.
-- Arguments: a file with keys, one a line, and a seed.

local keys = {}

function init(args)
    for key in io.lines(args[1]) do
        keys[#keys + 1] = key
    end
    math.randomseed(tonumber(args[2]))
end

function request()
    local kind = math.random(1000)
    local key = keys[math.random(#keys)]
    if kind <= 20 then
        return wrk.format("GET", "/unknown/page.html", { Authorization = "guess-" .. math.random(1000000) })
    elseif kind <= 60 then
        return wrk.format("POST", "/verify_token/", { Authorization = "Bearer " .. key }, "body")
    elseif kind <= 200 then
        return wrk.format("GET", "/limited/page.html", { Authorization = key })
    end
    return wrk.format("GET", "/known/page.html", { Authorization = key })
end
