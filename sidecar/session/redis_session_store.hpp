// SessionStore on Redis. One chat, one slot: all its keys share the hash tag {c:<user id>:<chat id>}.
//
//   npcchat:{c:…}:lease   string  the token of who is answering, expires by itself
//   npcchat:{c:…}:meta    hash    npc ('' = the plain assistant), memory, remembered (messages in the memory)
//   npcchat:{c:…}:log     list    messages, oldest first: 'u' or 'a', milliseconds since 1970, ':', the text
//   npcchat:{c:…}:pad     hash    number of an answer in the log (from 0) → its scratchpad
//
// The last three expire together, CHAT_TTL after the chat's last use. Every script that writes is given a
// deadline on Redis' own clock and does nothing past it.
#pragma once

#include "io/redis.hpp"
#include "session/session_store.hpp"

namespace npcchat {

class RedisSessionStore final : public SessionStore {
  public:
    RedisSessionStore(Redis& redis, Millis idle_ttl) : redis_(redis), idle_ttl_(idle_ttl) {}

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
    Task<Result<void>> forget_user(UserId user_id) override;
    Task<void> sweep() override;
    Task<Result<void>> ping() override;

  private:
    std::string life() const; // milliseconds that a chat is given
    Result<void> written(const Result<RedisReply>& reply);
    std::unexpected<Error> came_late();

    Redis& redis_;
    Millis idle_ttl_;
};

} // namespace npcchat
