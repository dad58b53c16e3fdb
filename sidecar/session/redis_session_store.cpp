#include "session/redis_session_store.hpp"

#include "base/number.hpp"
#include "session/archive_scripts.hpp"
#include "session/key_scan.hpp"
#include "session/redis_scripts.hpp"

#include <charconv>
#include <fmt/format.h>
#include <unordered_map>

namespace npcchat {
namespace {

// Putting a chat's end off costs three commands. Where chats live long, it is put off a sixteenth too far,
// and again only when a quarter of that is left: enough for the longest turn, so that no chat ends early.
constexpr Millis kLongLife = 4LL * 3600 * 1000;

constexpr std::int64_t kNone = -1; // messages of a chat that is not there

Millis reserve_of(Millis idle_ttl) {
    return idle_ttl >= kLongLife ? idle_ttl / 16 : 0;
}

std::vector<std::string> keys_of(const ChatKey& chat) {
    std::string stem = "npcchat:{c:" + std::to_string(chat.user_id) + ':';
    stem.append(chat.chat_id).append("}:");
    return {stem + "lease", stem + "meta", stem + "log", stem + "pad"};
}

// "u" or "a", the time, "#" and the tag where there is one, ":", the text.
std::string encode(const Message& message) {
    std::string text = message.speaker == Speaker::user ? "u" : "a";
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

Task<Result<OpenChat>> RedisSessionStore::open(ChatKey chat, std::optional<std::string> npc_id,
                                               std::size_t max_bytes) {
    OpenChat open;
    open.lease = Lease{std::move(chat), new_lease_token()};
    auto reply = co_await redis_.run(scripts::open(), keys_of(open.lease.chat),
                                     {open.lease.token, std::to_string(kLeaseMillis), redis_.deadline(),
                                      npc_id.value_or("?"), std::to_string(max_bytes),
                                      std::to_string(near_end()), ends_when_told_ ? life() : ""});
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    const RedisReply& parts = *reply;
    const std::string_view status = parts.size() > 0 ? parts[0].text() : "";
    if (status == "busy") co_return chat_is_busy();
    if (status == "npc") co_return chat_has_other_npc();
    if (status == "late") co_return came_late();
    if (status != "ok" || parts.size() < 5) co_return store_unavailable();
    open.npc_id = optional_text(parts[1]);
    open.memory = parts[2].text();
    open.message_count = parts[3].integer();
    open.lease.ends_soon = parts[4].integer() != 0;
    open.exists = open.message_count > 0 || !open.memory.empty();
    open.messages.reserve(parts.size() - 5);
    for (std::size_t i = 5; i < parts.size(); ++i)
        open.messages.push_back(decode(parts[i].text()));
    co_return open;
}

Task<Result<void>> RedisSessionStore::commit(const Lease& lease, Turn turn) {
    const auto reply =
        co_await redis_.run(scripts::commit(), keys_of(lease.chat),
                            {lease.token, redis_.deadline(), life(), lease.ends_soon ? "1" : "0", turn.npc_id,
                             encode(turn.question), encode(turn.answer), turn.answer.scratchpad});
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
