// SessionStore on the catalog's database, where there is no Redis.
#pragma once

#include "session/session_store.hpp"

namespace npcchat {

class SqlSessionStore final : public SessionStore {
  public:
    SqlSessionStore(db::Database& database, Millis idle_ttl) : database_(database), idle_ttl_(idle_ttl) {}

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

    // Whether there are any of the user's.
    Task<Result<bool>> has_chats(UserId user_id);

  private:
    db::Database& database_;
    Millis idle_ttl_;
};

} // namespace npcchat
