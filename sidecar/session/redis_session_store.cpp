#include "session/redis_session_store.hpp"

#include "base/number.hpp"
#include "session/archive_scripts.hpp"
#include "session/key_scan.hpp"
#include "session/redis_scripts.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <unordered_map>

namespace npcchat {
namespace {

// Putting a chat's end off costs three commands. Where chats live long, it is put off a sixteenth too far,
// and again only when a quarter of that is left: enough for the longest turn, so that no chat ends early.
constexpr Millis kLongLife = 4LL * 3600 * 1000;

constexpr std::int64_t kNone = -1; // messages of a chat that is not there

// A lease that was asked for in vain ends by the time that the failure is told, as a frozen server may still
// grant it when it wakes. Its first renewal has it live longer.
constexpr Millis kShortestLease = 500;

constexpr std::string_view kTail = "-32"; // the newest messages, which most chats need at most
constexpr std::int64_t kMore = 256;       // messages that are read at once where those did not do

Millis reserve_of(Millis idle_ttl) {
    return idle_ttl >= kLongLife ? idle_ttl / 16 : 0;
}

// An initializer list would have each string copied.
template <typename... Strings> std::vector<std::string> make_strings(Strings&&... strings) {
    std::vector<std::string> made;
    made.reserve(sizeof...(strings));
    (made.emplace_back(std::forward<Strings>(strings)), ...);
    return made;
}

std::vector<std::string> keys_of(const ChatKey& chat) {
    std::string stem = "npcchat:{c:" + std::to_string(chat.user_id) + ':';
    stem.append(chat.chat_id).append("}:");
    return make_strings(stem + "lease", stem + "meta", stem + "log", stem + "pad");
}

constexpr std::size_t kMostBeforeText = 24; // without a tag

// "u" or "a", the time, "#" and the tag where there is one, ":", the text.
std::string encode(const Message& message) {
    std::string text;
    text.reserve(message.text.size() + message.repeat_tag.size() + kMostBeforeText);
    text += message.speaker == Speaker::user ? 'u' : 'a';
    text += std::to_string(message.at);
    if (!message.repeat_tag.empty()) text.append("#").append(message.repeat_tag);
    text += ':';
    text += message.text;
    return text;
}

Message decode(std::string_view stored) {
    Message message;
    const auto colon = stored.find(':');
    if (colon == stored.npos || colon == 0) return message;
    message.speaker = stored.front() == 'u' ? Speaker::user : Speaker::assistant;
    const char* const end = stored.data() + colon;
    const char* const tag = std::from_chars(stored.data() + 1, end, message.at).ptr;
    if (tag != end && *tag == '#') message.repeat_tag.assign(tag + 1, end);
    message.text = stored.substr(colon + 1);
    return message;
}

std::optional<std::string> optional_text(const RedisReply& reply) {
    if (reply.is_nil()) return std::nullopt;
    return std::string(reply.text());
}

} // namespace

// Plain commands, sent together: a script that hands on messages one by one costs Redis three times as much.
// Nobody else writes to the chat once SET has given the lease. A SET that was late, as Redis was frozen,
// gives one that has ended.
Task<Result<OpenChat>> RedisSessionStore::open(ChatKey chat, std::optional<std::string> npc_id,
                                               std::size_t max_bytes) {
    OpenChat open;
    const Millis life = std::clamp(redis_.limit(), kShortestLease, kLeaseMillis);
    open.lease =
        Lease{std::move(chat), new_lease_token(), Clock::now() + std::chrono::milliseconds(life / 3)};
    const auto keys = keys_of(open.lease.chat);
    const std::string until = std::to_string(redis_.now() + life);
    std::vector<RedisCommand> commands;
    commands.reserve(4);
    commands.push_back({"SET", keys[0], open.lease.token, "NX", "PXAT", until});
    commands.push_back({"GET", keys[0]});
    commands.push_back({"HMGET", keys[1], "npc", "memory", "remembered", "count", "expires"});
    commands.push_back({"LRANGE", keys[2], kTail, "-1"});
    const auto replies = co_await redis_.commands(commands);
    if (!replies) co_return std::unexpected(replies.error());
    const RedisReply& meta = (*replies)[2];
    if (meta.size() != 5) co_return store_unavailable();

    const bool is_ours = (*replies)[1].text() == open.lease.token;
    open.npc_id = optional_text(meta[0]);
    if (npc_id && open.npc_id && *npc_id != *open.npc_id) {
        if (is_ours) co_await release(open.lease);
        co_return chat_has_other_npc();
    }
    if (!is_ours) {
        const bool has_ended = (*replies)[0].text() == "OK";
        if (has_ended) co_return came_late();
        co_return chat_is_busy();
    }
    open.memory = meta[1].text();
    open.message_count = meta[3].integer();
    open.lease.ends_soon = meta[4].integer() <= redis_.now() + near_end();
    open.exists = open.message_count > 0 || !open.memory.empty();

    auto prepared = co_await read_messages(open, (*replies)[3], meta[2].integer(), max_bytes);
    if (prepared && open.lease.ends_soon && ends_when_told_ && !meta[3].is_nil())
        prepared = co_await extend(open.lease);
    if (prepared) co_return open;
    co_await release(open.lease);
    co_return std::unexpected(std::move(prepared.error()));
}

// The newest message, then as many as fit, none that stands before `oldest`. `tail`: the newest ones.
Task<Result<void>> RedisSessionStore::read_messages(OpenChat& open, RedisReply tail, std::int64_t oldest,
                                                    std::size_t max_bytes) {
    open.messages.reserve(tail.size());
    auto first = open.message_count - static_cast<std::int64_t>(tail.size());
    std::size_t bytes = 0;
    for (;;) {
        auto i = static_cast<std::int64_t>(tail.size());
        while (i > 0 && first + i > oldest && bytes < max_bytes) {
            const std::string_view message = tail[static_cast<std::size_t>(--i)].text();
            open.messages.push_back(decode(message));
            bytes += message.size();
        }
        if (first <= oldest || bytes >= max_bytes) break;
        const std::string log = keys_of(open.lease.chat)[2];
        const std::string end = std::to_string(first - 1);
        first = std::max(oldest, first - kMore);
        const std::string begin = std::to_string(first);
        const auto older = co_await redis_.command({"LRANGE", log, begin, end});
        if (!older) co_return std::unexpected(older.error());
        tail = *older;
    }
    std::ranges::reverse(open.messages);
    co_return Result<void>();
}

Task<Result<void>> RedisSessionStore::extend(const Lease& lease) {
    const auto reply =
        co_await redis_.run(scripts::extend(), keys_of(lease.chat), {lease.token, redis_.deadline(), life()});
    if (!reply) co_return std::unexpected(reply.error());
    if (reply->text() == "late") co_return came_late();
    if (reply->text() == "ended") co_return chat_is_busy();
    co_return Result<void>();
}

Task<Result<void>> RedisSessionStore::commit(const Lease& lease, Turn turn) {
    const auto reply =
        co_await redis_.run(scripts::commit(), keys_of(lease.chat),
                            make_strings(lease.token, redis_.deadline(), life(), lease.ends_soon ? "1" : "0",
                                         std::move(turn.npc_id), encode(turn.question), encode(turn.answer),
                                         std::move(turn.answer.scratchpad)));
    co_return written(reply);
}

Task<Result<void>> RedisSessionStore::commit_memory(const Lease& lease, std::string memory,
                                                    std::int64_t message_count) {
    const auto reply = co_await redis_.run(
        scripts::commit_memory(), keys_of(lease.chat),
        {lease.token, redis_.deadline(), life(), std::move(memory), std::to_string(message_count)});
    co_return written(reply);
}

// A chat that ends in less has its end put off.
Millis RedisSessionStore::near_end() const {
    return ends_when_told_ ? kUntilTold / 2 : idle_ttl_ + reserve_of(idle_ttl_) / 4;
}

std::string RedisSessionStore::life() const {
    return std::to_string(idle_ttl_ + reserve_of(idle_ttl_));
}

Result<void> RedisSessionStore::written(const Result<RedisReply>& reply) {
    if (!reply) return std::unexpected(reply.error());
    if (reply->text() == "ok") return {};
    if (reply->text() == "lost") return lease_was_lost();
    return came_late();
}

std::unexpected<Error> RedisSessionStore::came_late() {
    redis_.measure_clock();
    return store_unavailable();
}

Task<void> RedisSessionStore::release(const Lease& lease) {
    co_await redis_.run(scripts::release(), keys_of(lease.chat), {lease.token});
}

Task<Result<void>> RedisSessionStore::confirm(const Lease& lease) {
    const auto reply =
        co_await redis_.run(scripts::confirm(), keys_of(lease.chat), {lease.token, redis_.deadline()});
    co_return written(reply);
}

Task<void> RedisSessionStore::renew(const Lease& lease) {
    co_await redis_.run(scripts::renew(), keys_of(lease.chat),
                        {lease.token, std::to_string(kLeaseMillis), redis_.deadline()});
}

Task<Result<std::optional<ChatHistory>>> RedisSessionStore::history(ChatKey chat) {
    auto reply = co_await redis_.run(scripts::history(), keys_of(chat), {});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    const RedisReply& parts = *reply;
    if (parts.size() != 5) co_return store_unavailable();
    ChatHistory history{optional_text(parts[0]), std::string(parts[1].text()), {}, parts[2].integer()};
    const RedisReply log = parts[3];
    const RedisReply pads = parts[4];
    if (log.size() == 0 && history.memory.empty()) co_return std::nullopt;
    for (std::size_t i = 0; i < log.size(); ++i)
        history.messages.push_back(decode(log[i].text()));
    for (std::size_t i = 0; i + 1 < pads.size(); i += 2) {
        const auto index = static_cast<std::size_t>(pads[i].integer());
        if (index < history.messages.size()) history.messages[index].scratchpad = pads[i + 1].text();
    }
    if (!history.messages.empty()) history.used = history.messages.back().at;
    co_return history;
}

Task<Result<bool>> RedisSessionStore::import_chat(ChatKey chat, ChatHistory history) {
    if (history.memory.empty() && history.messages.empty()) co_return false;
    co_return co_await append_chat(std::move(chat), kNone, std::move(history));
}

Task<Result<bool>> RedisSessionStore::append_chat(ChatKey chat, std::int64_t count, ChatHistory part) {
    std::vector<std::string> args{redis_.deadline(),      life(),
                                  std::to_string(count),  part.npc_id.value_or("?"),
                                  std::move(part.memory), std::to_string(part.remembered)};
    for (Message& message : part.messages) {
        args.push_back(encode(message));
        args.push_back(std::move(message.scratchpad));
    }
    auto reply = co_await redis_.run(scripts::import_chat(), keys_of(chat), std::move(args));
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (reply->text() == "late") co_return came_late();
    co_return reply->text() == "ok";
}

std::optional<ChatKey> RedisSessionStore::chat_of_key(std::string_view key) {
    constexpr std::string_view kBegin = "npcchat:{c:";
    const auto end = key.find('}');
    const auto colon = key.find(':', kBegin.size());
    if (!key.starts_with(kBegin) || end == key.npos || colon > end) return std::nullopt;
    const auto user_id = parse_number<UserId>(key.substr(kBegin.size(), colon - kBegin.size()));
    if (!user_id) return std::nullopt;
    return ChatKey{*user_id, std::string(key.substr(colon + 1, end - colon - 1))};
}

// The chats' names are listed nowhere else.
Task<Result<std::vector<ChatKey>>> RedisSessionStore::chats() {
    KeyScan scan(redis_, kChatPattern, 1000);
    std::vector<ChatKey> found;
    while (!scan.done()) {
        const auto keys = co_await scan.next();
        if (!keys) co_return std::unexpected(keys.error());
        for (const std::string& key : *keys) {
            if (auto chat = chat_of_key(key)) found.push_back(std::move(*chat));
        }
    }
    co_return found;
}

Task<Result<void>> RedisSessionStore::forget_user(UserId user_id) {
    KeyScan scan(redis_, fmt::format("npcchat:{{[cu]:{}[:}}]*", user_id), 1000);
    while (!scan.done()) {
        const auto keys = co_await scan.next();
        if (!keys) co_return std::unexpected(keys.error());
        for (const std::string& key : *keys) {
            const auto deleted = co_await redis_.command({"UNLINK", key});
            if (!deleted) co_return std::unexpected(deleted.error());
        }
    }
    co_return Result<void>();
}

Task<Result<std::optional<RedisSessionStore::State>>> RedisSessionStore::state(ChatKey chat) {
    const auto reply = co_await redis_.run(scripts::chat_state(), keys_of(chat), {});
    if (!reply) co_return std::unexpected(reply.error());
    const RedisReply& parts = *reply;
    if (parts.size() != 4) co_return std::nullopt;
    co_return State{parts[0].integer(), parts[1].integer(), decode(parts[3].text()).at,
                    parts[2].integer() - now_ms()};
}

Task<Result<bool>> RedisSessionStore::let_end(ChatKey chat, State state, Millis ttl) {
    const auto reply = co_await redis_.run(scripts::let_chat_end(), keys_of(chat),
                                           {redis_.deadline(), std::to_string(state.count),
                                            std::to_string(state.remembered), std::to_string(ttl)});
    if (!reply) co_return std::unexpected(reply.error());
    if (reply->text() == "late") co_return came_late();
    co_return reply->text() == "ok";
}

Task<void> RedisSessionStore::sweep() {
    co_return; // keys expire by themselves
}

Task<Result<void>> RedisSessionStore::ping() {
    return redis_.ping();
}

} // namespace npcchat
