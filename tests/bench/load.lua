-- wrk's script: the same POST again and again, but for the chat id, and one line of JSON with the result at the end.
--
-- arguments after `--`: the file with the body, then NAME=VALUE: key (Authorization), prefix (of chat ids), mode:
--   fixed    the body as it is
--   new      a chat of its own for every request
--   rolling  `chats` chats in turn, `turns` times, then as many new ones: a chat comes up again only after all the
--            others, so that no two of its messages are in flight at once
-- and pause: milliseconds that each connection waits between an answer and its next request.
-- In the body, CHAT_ID_IS_PUT_HERE_24CH stands for the chat id, which has 24 characters.

local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

local PLACE = "CHAT_ID_IS_PUT_HERE_24CH"

local function read_file(path)
   local file = assert(io.open(path, "rb"))
   local text = file:read("*a")
   file:close()
   return text
end

function init(arguments)
   local options = { key = "", prefix = "bench", mode = "fixed", turns = "8" }
   local body = read_file(arguments[1])
   for i = 2, #arguments do
      local name, value = arguments[i]:match("^(%w+)=(.*)$")
      options[name] = value
   end
   mode = options.mode
   chats = tonumber(options.chats)
   turns = tonumber(options.turns)
   prefix = ("%s%02d"):format(options.prefix, number)
   id_format = prefix .. ("%0" .. (24 - #prefix) .. "d")
   sent = 0
   local pause = tonumber(options.pause or "0")
   if pause > 0 then
      function delay()
         return pause
      end
   end

   wrk.headers["Content-Type"] = "application/json"
   if options.key ~= "" then
      wrk.headers["Authorization"] = options.key
   end
   -- Ids have one length, so that head and length of the request never change.
   local sample = body:gsub(PLACE, id_format:format(0))
   local request = wrk.format("POST", nil, nil, sample)
   local at = request:find(id_format:format(0), 1, true)
   if at then
      before, after = request:sub(1, at - 1), request:sub(at + 24)
   else
      before, after = request, ""
   end
end

function request()
   if mode == "fixed" then
      return before .. after
   end
   local chat = sent
   if mode == "rolling" then
      chat = math.floor(sent / (chats * turns)) * chats + sent % chats
   end
   sent = sent + 1
   return before .. id_format:format(chat) .. after
end

function done(summary, latency)
   local errors = summary.errors
   io.write(("RESULT {\"requests\": %d, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
      .. "\"bad_status\": %d, \"socket_errors\": %d}\n"):format(
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      latency.max / 1e3, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
