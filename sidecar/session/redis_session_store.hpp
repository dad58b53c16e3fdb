// SessionStore on Redis. One chat, one slot: all its keys share the hash tag {c:<user id>:<chat id>}.
//
//   npcchat:{c:…}:lease   string  the token of who is answering, expires by itself
//   npcchat:{c:…}:meta    hash    npc ('' = the plain assistant), memory, remembered (messages in the memory)
//   npcchat:{c:…}:log     list    messages, oldest first: 'u' or 'a', milliseconds since 1970, ':', the text
//   npcchat:{c:…}:pad     hash    number of an answer in the log (from 0) → its scratchpad
//
// The last three expire together, CHAT_TTL after the chat's last use, or once they are archived. Every script
// that writes is given a deadline on Redis' own clock and does nothing past it; a lease ends by the same
// clock. Redis 6.2 or later (SET … PXAT).
#pragma once

#include "io/redis.hpp"
#include "session/session_store.hpp"

namespace npcchat {

class RedisSessionStore final : public SessionStore {
  public:
    // `idle_ttl`: how long an idle chat lives; nothing: until let_end() says so.
    RedisSessionStore(Redis& redis, std::optional<Millis> idle_ttl)
        : redis_(redis), idle_ttl_(idle_ttl.value_or(kUntilTold)), ends_when_told_(!idle_ttl) {}

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

    // A key of each chat, as SCAN matches it, and the chat that such a key is of.
    static constexpr const char* kChatPattern = "npcchat:{c:*}:meta";
    static std::optional<ChatKey> chat_of_key(std::string_view key);

    // What the archiver has to know of a chat.
    struct State {
        std::int64_t count = 0;
        std::int64_t remembered = 0; // messages that the memory stands for
        Millis used = 0;             // the newest message's time; 0: there is none
        Millis ends_in = 0;          // unless it is used
    };
    Task<Result<std::optional<State>>> state(ChatKey chat);
    // Has the chat end after `ttl` milliseconds at most, unless it is opened. False where it is not as
    // `state` says, or somebody answers in it.
    Task<Result<bool>> let_end(ChatKey chat, State state, Millis ttl);

  private:
    static constexpr Millis kUntilTold = 100LL * 365 * 86'400'000;
    Task<Result<void>> read_messages(OpenChat& open, RedisReply tail, std::int64_t oldest,
                                     std::size_t max_bytes);
    Task<Result<void>> extend(const Lease& lease);
    Millis near_end() const;
    std::string life() const; // milliseconds that a chat is given
    Result<void> written(const Result<RedisReply>& reply);
    std::unexpected<Error> came_late();

    Redis& redis_;
    Millis idle_ttl_;
    bool ends_when_told_;
};

} // namespace npcchat
