// SessionStore in two tiers: chats in use are in Redis, idle ones in the catalog's database.
//
// A chat is in Redis whole, or not there: one that comes back is copied from the database at its first turn.
// Then the database has an older copy, which the archiver brings up to date before Redis lets go of the chat.
#pragma once

#include "session/archive_queue.hpp"
#include "session/archived_users.hpp"
#include "session/redis_session_store.hpp"
#include "session/sql_session_store.hpp"

#include <algorithm>

namespace npcchat {

class TieredSessionStore final : public SessionStore {
  public:
    // Chats that are idle for `archive_after` milliseconds, and those that end, are hinted at to the
    // archiver.
    TieredSessionStore(Executor executor, Redis& redis, db::Database& database, Millis archive_after,
                       Millis idle_ttl)
        : live_(redis, std::nullopt), archive_(database, idle_ttl), queue_(executor, redis),
          archived_users_(std::chrono::milliseconds(linger(archive_after) / 2)),
          archive_after_(archive_after) {}

    // How long a chat stays in Redis at least after it was archived, in milliseconds.
    static Millis linger(Millis archive_after) { return std::min<Millis>(archive_after, 60'000); }

    Task<Result<OpenChat>> open(ChatKey chat, std::optional<std::string> npc_id,
                                std::size_t max_bytes) override;
    Task<Result<void>> commit(const Lease& lease, Turn turn) override;
    Task<Result<void>> commit_memory(const Lease& lease, std::string memory,
                                     std::int64_t message_count) override;
    Task<void> release(const Lease& lease) override;
    Task<Result<void>> confirm(const Lease& lease) override;
    Task<void> renew(const Lease& lease) override;
    Task<Result<std::optional<ChatHistory>>> history(ChatKey chat) override;
    Task<Result<bool>> import_chat(ChatKey chat, ChatHistory history) override;
    Task<Result<bool>> append_chat(ChatKey chat, std::int64_t count, ChatHistory part) override;
    Task<Result<std::vector<ChatKey>>> chats() override;
    Task<Result<void>> forget_user(UserId user_id) override;
    Task<void> sweep() override;
    Task<Result<void>> ping() override;

    // The tiers, for the archiver.
    RedisSessionStore& live() { return live_; }
    SqlSessionStore& archive() { return archive_; }
    ArchiveQueue& queue() { return queue_; }

  private:
    Task<Result<void>> restore(OpenChat& open, const std::optional<std::string>& npc_id,
                               std::size_t max_bytes);
    Task<Result<bool>> may_have_archived(UserId user_id);

    RedisSessionStore live_;
    SqlSessionStore archive_;
    ArchiveQueue queue_;
    ArchivedUsers archived_users_;
    Millis archive_after_;
};

} // namespace npcchat
