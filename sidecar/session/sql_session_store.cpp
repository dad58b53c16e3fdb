#include "session/sql_session_store.hpp"

#include <algorithm>

namespace npcchat {
namespace {

using db::Row;
using db::Rows;
using db::to_integer;

// Everywhere: $1 the user, $2 the chat, $3 the lease's token.
constexpr std::string_view kTakeLease = R"(
INSERT INTO chat_leases (user_id, chat_id, token, until) VALUES ($1, $2, $3, now_ms() + $4)
ON CONFLICT (user_id, chat_id) DO UPDATE SET token = excluded.token, until = excluded.until
WHERE chat_leases.until < now_ms() RETURNING token)";
// Renewing first locks the row: what follows in the batch can rely on it.
constexpr std::string_view kRenewLease = R"(
UPDATE chat_leases SET until = now_ms() + $4
WHERE user_id = $1 AND chat_id = $2 AND token = $3 AND until >= now_ms() RETURNING token)";
constexpr std::string_view kDropLease =
    "DELETE FROM chat_leases WHERE user_id = $1 AND chat_id = $2 AND token = $3 RETURNING token";
#define LEASE_IS_OURS                                                                                        \
    " EXISTS (SELECT 1 FROM chat_leases WHERE user_id = $1 AND chat_id = $2 AND token = $3 AND until >= "    \
    "now_ms()) "

constexpr std::string_view kSelectChat =
    "SELECT npc_id, memory, remembered, messages, used FROM chats WHERE user_id = $1 AND chat_id = $2";
// The newest message always comes, then as many as fit; the prompt counts more exactly.
constexpr std::string_view kSelectRecent = R"(
SELECT role, text, at, '' AS scratchpad, repeat_tag FROM (
    SELECT seq, role, text, at, repeat_tag, sum(octet_length(text)) OVER (ORDER BY seq DESC) - octet_length(text) AS newer FROM (
        SELECT m.seq, m.role, m.text, m.at, m.repeat_tag FROM messages m
        JOIN chats c ON c.user_id = m.user_id AND c.chat_id = m.chat_id
        WHERE m.user_id = $1 AND m.chat_id = $2 AND m.seq > c.remembered
        ORDER BY m.seq DESC LIMIT $4) AS newest) AS summed
WHERE newer <= $3 ORDER BY seq)";
constexpr std::string_view kSelectAll =
    "SELECT role, text, at, scratchpad FROM messages WHERE user_id = $1 AND chat_id = $2 ORDER BY seq";

constexpr std::string_view kCountTurn =
    "INSERT INTO chats (user_id, chat_id, npc_id, messages, used) SELECT $1, $2, $4, 2, now_ms() "
    "WHERE" LEASE_IS_OURS
    "ON CONFLICT (user_id, chat_id) DO UPDATE SET npc_id = excluded.npc_id, messages = chats.messages + 2, "
    "used = excluded.used RETURNING messages";
// $8 counts back from the newest message.
constexpr std::string_view kInsertMessage =
    "INSERT INTO messages (user_id, chat_id, seq, role, text, scratchpad, at, repeat_tag) "
    "SELECT c.user_id, c.chat_id, c.messages - $8, $4, $5, $6, $7, $9 FROM chats c "
    "WHERE c.user_id = $1 AND c.chat_id = $2 AND" LEASE_IS_OURS;
constexpr std::string_view kSetMemory =
    "UPDATE chats SET memory = $4, remembered = $5, used = now_ms() WHERE user_id = $1 AND chat_id = $2 "
    "AND" LEASE_IS_OURS "RETURNING remembered";
#undef LEASE_IS_OURS

// $3 says whether it is bound to $4.
constexpr std::string_view kImportChat = R"(
INSERT INTO chats (user_id, chat_id, npc_id, memory, remembered, messages, used)
SELECT u.id, $2, CASE WHEN $3 = 1 THEN $4 END, $5, $6, $7, $8 FROM users u WHERE u.id = $1
ON CONFLICT DO NOTHING RETURNING messages)";
constexpr std::string_view kAppendChat = R"(
UPDATE chats SET npc_id = CASE WHEN $3 = 1 THEN $4 END, memory = $5, remembered = $6, messages = $7, used = $8
WHERE user_id = $1 AND chat_id = $2 AND messages = $9 RETURNING messages)";
// Nothing, where the statement before it has done nothing.
constexpr std::string_view kImportMessage = R"(
INSERT INTO messages (user_id, chat_id, seq, role, text, scratchpad, at)
SELECT c.user_id, c.chat_id, $3, $4, $5, $6, $7 FROM chats c
WHERE c.user_id = $1 AND c.chat_id = $2 AND c.messages = $8 ON CONFLICT DO NOTHING)";
constexpr std::string_view kListChats = "SELECT user_id, chat_id FROM chats WHERE (user_id, chat_id) > ($1, "
                                        "$2) ORDER BY user_id, chat_id LIMIT $3";

constexpr std::string_view kHasChats = "SELECT 1 FROM chats WHERE user_id = $1 LIMIT 1";

constexpr std::string_view kDropUsersChats = "DELETE FROM chats WHERE user_id = $1";
constexpr std::string_view kDropUsersLeases = "DELETE FROM chat_leases WHERE user_id = $1";
// Some of them: with their messages they may be many, and others use the database too.
constexpr std::string_view kDropIdleChats = R"(
DELETE FROM chats WHERE (user_id, chat_id) IN
    (SELECT c.user_id, c.chat_id FROM chats c WHERE c.used < now_ms() - $1 ORDER BY c.used LIMIT $2)
RETURNING chat_id)";
constexpr std::string_view kDropOldLeases = "DELETE FROM chat_leases WHERE until < now_ms() - 60000";

// Bounds the rows that are looked at: no chat's messages average fewer bytes for long.
constexpr std::int64_t message_limit(std::size_t max_bytes) {
    return static_cast<std::int64_t>(max_bytes / 16 + 64);
}

std::string role_name(Speaker speaker) {
    return speaker == Speaker::user ? "user" : "assistant";
}

Message message_of(const Row& row) {
    Message message;
    message.speaker = row[0] == "user" ? Speaker::user : Speaker::assistant;
    message.text = row[1].value_or("");
    message.at = to_integer(row[2]);
    message.scratchpad = row[3].value_or("");
    if (row.size() > 4) message.repeat_tag = row[4].value_or("");
    return message;
}

std::vector<Message> messages_of(const Rows& rows) {
    std::vector<Message> messages;
    messages.reserve(rows.size());
    for (const Row& row : rows)
        messages.push_back(message_of(row));
    return messages;
}

db::Statement with_lease(std::string_view sql, const Lease& lease, std::vector<db::Value> more) {
    std::vector<db::Value> params{lease.chat.user_id, lease.chat.chat_id, lease.token};
    std::ranges::move(more, std::back_inserter(params));
    return {sql, std::move(params)};
}

db::Statement insert_of(const Lease& lease, const Message& message, std::int64_t back) {
    return with_lease(
        kInsertMessage, lease,
        {role_name(message.speaker), message.text, message.scratchpad, message.at, back, message.repeat_tag});
}

// `head` is kImportChat or kAppendChat; `count`: messages that the chat has before.
std::vector<db::Statement> import_batch(std::string_view head, const ChatKey& chat, std::int64_t count,
                                        ChatHistory part) {
    const std::int64_t total = count + static_cast<std::int64_t>(part.messages.size());
    std::vector<db::Value> params{chat.user_id,
                                  chat.chat_id,
                                  std::int64_t{part.npc_id.has_value()},
                                  part.npc_id.value_or(""),
                                  std::move(part.memory),
                                  part.remembered,
                                  total,
                                  part.used > 0 ? part.used : now_ms()};
    if (head.data() == kAppendChat.data()) params.emplace_back(count);
    std::vector<db::Statement> batch;
    batch.push_back({head, std::move(params)});
    for (Message& message : part.messages) {
        batch.push_back({kImportMessage,
                         {chat.user_id, chat.chat_id, ++count, role_name(message.speaker),
                          std::move(message.text), std::move(message.scratchpad), message.at, total}});
    }
    return batch;
}

} // namespace

Task<Result<OpenChat>> SqlSessionStore::open(ChatKey chat, std::optional<std::string> npc_id,
                                             std::size_t max_bytes) {
    OpenChat open;
    open.lease = Lease{chat, new_lease_token()};
    std::vector<db::Statement> batch;
    batch.push_back(with_lease(kTakeLease, open.lease, {kLeaseMillis}));
    batch.push_back({kSelectChat, {chat.user_id, chat.chat_id}});
    batch.push_back(
        {kSelectRecent,
         {chat.user_id, chat.chat_id, static_cast<std::int64_t>(max_bytes), message_limit(max_bytes)}});
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    if ((*results)[0].empty()) co_return chat_is_busy();
    if (const Rows& found = (*results)[1]; !found.empty()) {
        const Row& row = found.front();
        open.exists = true;
        open.npc_id = row[0];
        open.memory = row[1].value_or("");
        open.message_count = to_integer(row[3]);
    }
    if (npc_id && open.npc_id && *npc_id != *open.npc_id) {
        co_await release(open.lease);
        co_return chat_has_other_npc();
    }
    open.messages = messages_of((*results)[2]);
    co_return open;
}

Task<Result<void>> SqlSessionStore::commit(const Lease& lease, Turn turn) {
    std::vector<db::Statement> batch;
    batch.push_back(with_lease(kRenewLease, lease, {kLeaseMillis}));
    batch.push_back(with_lease(kCountTurn, lease, {turn.npc_id}));
    batch.push_back(insert_of(lease, turn.question, 1));
    batch.push_back(insert_of(lease, turn.answer, 0));
    batch.push_back(with_lease(kDropLease, lease, {}));
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    if (results->front().empty()) co_return lease_was_lost();
    co_return Result<void>();
}

Task<Result<void>> SqlSessionStore::commit_memory(const Lease& lease, std::string memory,
                                                  std::int64_t message_count) {
    std::vector<db::Statement> batch;
    batch.push_back(with_lease(kRenewLease, lease, {kLeaseMillis}));
    batch.push_back(with_lease(kSetMemory, lease, {std::move(memory), message_count}));
    batch.push_back(with_lease(kDropLease, lease, {}));
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    if (results->front().empty()) co_return lease_was_lost();
    co_return Result<void>();
}

Task<void> SqlSessionStore::release(const Lease& lease) {
    std::vector<db::Statement> batch;
    batch.push_back(with_lease(kDropLease, lease, {}));
    co_await database_.run(std::move(batch));
}

Task<Result<void>> SqlSessionStore::confirm(const Lease& lease) {
    auto dropped =
        co_await db::run_one(database_, kDropLease, {lease.chat.user_id, lease.chat.chat_id, lease.token});
    if (!dropped) co_return std::unexpected(std::move(dropped.error()));
    if (dropped->empty()) co_return lease_was_lost();
    co_return Result<void>();
}

Task<void> SqlSessionStore::renew(const Lease& lease) {
    std::vector<db::Statement> batch;
    batch.push_back(with_lease(kRenewLease, lease, {kLeaseMillis}));
    co_await database_.run(std::move(batch));
}

Task<Result<std::optional<ChatHistory>>> SqlSessionStore::history(ChatKey chat) {
    std::vector<db::Statement> batch;
    batch.push_back({kSelectChat, {chat.user_id, chat.chat_id}});
    batch.push_back({kSelectAll, {chat.user_id, chat.chat_id}});
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    if (results->front().empty()) co_return std::nullopt;
    const Row& row = results->front().front();
    co_return ChatHistory{row[0], row[1].value_or(""), messages_of(results->back()), to_integer(row[2]),
                          to_integer(row[4])};
}

Task<Result<bool>> SqlSessionStore::import_chat(ChatKey chat, ChatHistory history) {
    if (history.memory.empty() && history.messages.empty()) co_return false;
    auto existing = co_await db::run_one(database_, kSelectChat, {chat.user_id, chat.chat_id});
    if (!existing) co_return std::unexpected(std::move(existing.error()));
    if (!existing->empty()) co_return false;
    auto results = co_await database_.run(import_batch(kImportChat, chat, 0, std::move(history)));
    co_return map(std::move(results), [](const auto& all) { return !all.front().empty(); });
}

Task<Result<bool>> SqlSessionStore::append_chat(ChatKey chat, std::int64_t count, ChatHistory part) {
    auto results = co_await database_.run(import_batch(kAppendChat, chat, count, std::move(part)));
    co_return map(std::move(results), [](const auto& all) { return !all.front().empty(); });
}

Task<Result<std::vector<ChatKey>>> SqlSessionStore::chats() {
    constexpr std::int64_t kPage = 5000;
    std::vector<ChatKey> found;
    ChatKey last{-1, ""};
    for (;;) {
        const auto rows = co_await db::run_one(database_, kListChats, {last.user_id, last.chat_id, kPage});
        if (!rows) co_return std::unexpected(rows.error());
        if (rows->empty()) co_return found;
        for (const Row& row : *rows)
            found.push_back({to_integer(row[0]), row[1].value_or("")});
        last = found.back();
    }
}

Task<Result<bool>> SqlSessionStore::has_chats(UserId user_id) {
    auto rows = co_await db::run_one(database_, kHasChats, {user_id});
    co_return map(std::move(rows), [](const db::Rows& found) { return !found.empty(); });
}

Task<Result<void>> SqlSessionStore::forget_user(UserId user_id) {
    std::vector<db::Statement> batch;
    batch.push_back({kDropUsersChats, {user_id}});
    batch.push_back({kDropUsersLeases, {user_id}});
    auto results = co_await database_.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    co_return Result<void>();
}

Task<void> SqlSessionStore::sweep() {
    constexpr std::int64_t kStep = 200;
    co_await db::run_one(database_, kDropOldLeases, {});
    for (bool more = true; more;) {
        const auto dropped = co_await db::run_one(database_, kDropIdleChats, {idle_ttl_, kStep});
        more = dropped && static_cast<std::int64_t>(dropped->size()) == kStep;
    }
}

Task<Result<void>> SqlSessionStore::ping() {
    auto rows = co_await db::run_one(database_, "SELECT 1", {});
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    co_return Result<void>();
}

} // namespace npcchat
