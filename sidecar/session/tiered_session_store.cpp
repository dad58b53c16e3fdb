#include "session/tiered_session_store.hpp"

#include <algorithm>

namespace npcchat {
namespace {

// What open() gives of a chat: since the last end of a session, the newest message, then as many as fit.
std::vector<Message> recent(const ChatHistory& history, std::size_t max_bytes) {
    const auto& all = history.messages;
    const auto oldest = std::min(static_cast<std::size_t>(history.remembered), all.size());
    std::size_t first = all.size();
    for (std::size_t bytes = 0; first > oldest && bytes < max_bytes;)
        bytes += all[--first].text.size();
    std::vector<Message> messages(all.begin() + static_cast<std::ptrdiff_t>(first), all.end());
    for (Message& message : messages)
        message.scratchpad.clear();
    return messages;
}

} // namespace

Task<Result<OpenChat>> TieredSessionStore::open(ChatKey chat, std::optional<std::string> npc_id,
                                                std::size_t max_bytes) {
    const bool is_new = chat.is_new;
    auto open = co_await live_.open(std::move(chat), npc_id, max_bytes);
    if (!open || open->exists || is_new) co_return open;
    const auto restored = co_await restore(*open, npc_id, max_bytes);
    if (restored) co_return open;
    co_await live_.release(open->lease);
    co_return std::unexpected(restored.error());
}

// Whether the archive may have chats of the user.
Task<Result<bool>> TieredSessionStore::may_have_archived(UserId user_id) {
    const auto asked = Clock::now();
    if (const auto known = archived_users_.any(user_id, asked)) co_return *known;
    const auto any = co_await archive_.has_chats(user_id);
    if (any) archived_users_.remember(user_id, *any, asked);
    co_return any;
}

// Copies a chat back that the database has. Nothing is done where it has none.
Task<Result<void>> TieredSessionStore::restore(OpenChat& open, const std::optional<std::string>& npc_id,
                                               std::size_t max_bytes) {
    const ChatKey& chat = open.lease.chat;
    const auto may_have = co_await may_have_archived(chat.user_id);
    if (!may_have) co_return std::unexpected(may_have.error());
    if (!*may_have) co_return Result<void>();
    auto found = co_await archive_.history(chat);
    if (!found) co_return std::unexpected(std::move(found.error()));
    if (!*found) co_return Result<void>();
    ChatHistory& history = **found;
    if (npc_id && history.npc_id && *npc_id != *history.npc_id) co_return chat_has_other_npc();
    open.exists = true;
    open.npc_id = history.npc_id;
    open.memory = history.memory;
    open.message_count = static_cast<std::int64_t>(history.messages.size());
    open.messages = recent(history, max_bytes);
    const auto copied = co_await live_.import_chat(chat, std::move(history));
    if (!copied) co_return std::unexpected(copied.error());
    if (!*copied) co_return chat_is_busy();
    queue_.hint(chat, now_ms() + archive_after_);
    co_return Result<void>();
}

Task<Result<void>> TieredSessionStore::commit(const Lease& lease, Turn turn) {
    auto done = co_await live_.commit(lease, std::move(turn));
    // New, or back from its end: once for many turns.
    if (done && lease.ends_soon) queue_.hint(lease.chat, now_ms() + archive_after_);
    co_return done;
}

Task<Result<void>> TieredSessionStore::commit_memory(const Lease& lease, std::string memory,
                                                     std::int64_t message_count) {
    auto done = co_await live_.commit_memory(lease, std::move(memory), message_count);
    if (done) queue_.hint(lease.chat, now_ms());
    co_return done;
}

Task<void> TieredSessionStore::release(const Lease& lease) {
    return live_.release(lease);
}

Task<Result<void>> TieredSessionStore::confirm(const Lease& lease) {
    return live_.confirm(lease);
}

Task<void> TieredSessionStore::renew(const Lease& lease) {
    return live_.renew(lease);
}

Task<Result<std::optional<ChatHistory>>> TieredSessionStore::history(ChatKey chat) {
    auto live = co_await live_.history(chat);
    if (!live || *live) co_return live;
    co_return co_await archive_.history(std::move(chat));
}

// Into the database: it is idle.
Task<Result<bool>> TieredSessionStore::import_chat(ChatKey chat, ChatHistory history) {
    const auto live = co_await live_.state(chat);
    if (!live) co_return std::unexpected(live.error());
    if (*live) co_return false;
    archived_users_.remember(chat.user_id, true, Clock::now());
    co_return co_await archive_.import_chat(std::move(chat), std::move(history));
}

Task<Result<bool>> TieredSessionStore::append_chat(ChatKey chat, std::int64_t count, ChatHistory part) {
    const auto live = co_await live_.state(chat);
    if (!live) co_return std::unexpected(live.error());
    SessionStore* where = &archive_;
    if (*live) where = &live_;
    co_return co_await where->append_chat(std::move(chat), count, std::move(part));
}

Task<Result<std::vector<ChatKey>>> TieredSessionStore::chats() {
    auto all = co_await live_.chats();
    if (!all) co_return all;
    auto archived = co_await archive_.chats();
    if (!archived) co_return archived;
    std::ranges::move(*archived, std::back_inserter(*all));
    co_return all;
}

Task<Result<void>> TieredSessionStore::forget_user(UserId user_id) {
    auto live = co_await live_.forget_user(user_id);
    if (!live) co_return live;
    co_return co_await archive_.forget_user(user_id);
}

Task<void> TieredSessionStore::sweep() {
    return archive_.sweep();
}

Task<Result<void>> TieredSessionStore::ping() {
    return live_.ping();
}

} // namespace npcchat
