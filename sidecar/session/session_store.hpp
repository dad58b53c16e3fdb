// Chats in progress: who answers in them, what was said, what is remembered.
#pragma once

#include "base/clock.hpp"
#include "catalog/catalog.hpp"
#include "io/task.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace npcchat {

// A chat lives under its user: the same chat_id of another user is another chat.
struct ChatKey {
    UserId user_id = 0;
    std::string chat_id;
    bool is_new = false; // its id was made just now: no store has it
};

inline constexpr Millis kLeaseMillis = 3000;

// The right to answer in a chat. Held by one turn at a time, lives kLeaseMillis unless renewed.
struct Lease {
    ChatKey chat;
    std::string token;
    Clock::time_point renew_at = Clock::now() + std::chrono::milliseconds(kLeaseMillis / 3);
    bool ends_soon = true; // the chat, unless the commit puts its end off: for the store that gave the lease
};

enum class Speaker { user, assistant };

struct Message {
    Speaker speaker = Speaker::user;
    std::string text;
    std::string scratchpad; // only in histories
    Millis at = 0;
    std::string repeat_tag = {}; // of a question: see TurnRequest; not in histories
};

struct OpenChat {
    Lease lease;
    bool exists = false;               // something was said or remembered in it
    std::optional<std::string> npc_id; // "": the plain assistant; nothing: not bound yet
    std::string memory;
    std::int64_t message_count = 0;
    std::vector<Message> messages; // since the last end of a session, newest ones, oldest first
};

struct Turn {
    std::string npc_id; // "": the plain assistant
    Message question;
    Message answer;
};

struct ChatHistory {
    std::optional<std::string> npc_id;
    std::string memory;
    std::vector<Message> messages; // oldest first
    std::int64_t remembered = 0;   // messages that the memory stands for
    Millis used = 0;               // when it was last used, since 1970; 0: not known
};

// 503 where the store is down or does not answer within its deadline; what was to be written is then either
// stored whole or not at all, and never later than the deadline.
class SessionStore {
  public:
    virtual ~SessionStore() = default;

    // Takes the chat's lease and loads what was said since the last end, newest messages first until
    // `max_bytes` of text. 409 where the chat is answering, or belongs to another NPC than `npc_id`
    // (nothing: any).
    virtual Task<Result<OpenChat>> open(ChatKey chat, std::optional<std::string> npc_id,
                                        std::size_t max_bytes) = 0;

    // Stores both messages and gives the lease back, or neither: 503 where the lease was lost meanwhile.
    virtual Task<Result<void>> commit(const Lease& lease, Turn turn) = 0;

    // Stores what the NPC remembers of the first `message_count` messages and gives the lease back.
    virtual Task<Result<void>> commit_memory(const Lease& lease, std::string memory,
                                             std::int64_t message_count) = 0;

    virtual Task<void> release(const Lease& lease) = 0;
    // Gives the lease back once what the chat has is kept as well as by a commit: 503 where that is not so,
    // and where the lease was lost.
    virtual Task<Result<void>> confirm(const Lease& lease) = 0;
    virtual Task<void> renew(const Lease& lease) = 0;

    // Nothing, where nothing was ever said or remembered.
    virtual Task<Result<std::optional<ChatHistory>>> history(ChatKey chat) = 0;

    // Makes a chat as it was elsewhere; false, and nothing done, where there is one already.
    virtual Task<Result<bool>> import_chat(ChatKey chat, ChatHistory history) = 0;

    // Goes on with such a chat: adds messages and takes over what else `part` says, where the chat has
    // exactly `count` messages now. False, and nothing done, where it has not.
    virtual Task<Result<bool>> append_chat(ChatKey chat, std::int64_t count, ChatHistory part) = 0;

    // Those that there are, in no order; what comes or goes meanwhile may be missed or stand twice.
    virtual Task<Result<std::vector<ChatKey>>> chats() = 0;

    // Ends all chats of a user who was deleted. A turn that is under way may still be stored where no user's
    // row is needed for it; nobody can read it.
    virtual Task<Result<void>> forget_user(UserId user_id) = 0;

    // Ends chats that were idle for too long, where the store does not do so by itself.
    virtual Task<void> sweep() = 0;
    virtual Task<Result<void>> ping() = 0;
};

// A token that no other lease has, of any sidecar.
std::string new_lease_token();

std::unexpected<Error> chat_is_busy();
std::unexpected<Error> chat_has_other_npc();
std::unexpected<Error> lease_was_lost();

} // namespace npcchat
