// Copies chats into a store, message by message: once each, also where a part of them is there already.
#pragma once

#include "session/session_store.hpp"

namespace npcchat {

// A chat, or a part of it.
struct ChatPart {
    std::int64_t count = 0; // messages of the whole chat
    std::int64_t first = 1; // the number of the first message here
    ChatHistory history;    // its messages are the part's; all else is the whole chat's
};

// In parts that are neither long nor large, at least one.
std::vector<ChatPart> split_chat(ChatHistory history);

class ChatCopy {
  public:
    explicit ChatCopy(SessionStore& into) : into_(into) {}

    enum class Found {
        added,     // messages, a memory, or the chat
        same,      // all of it was there, and maybe more
        other,     // another chat has this name
        incomplete // what was said before it is not there
    };
    // Parts of a chat come one after another. 409 where the chat changed meanwhile.
    Task<Result<Found>> add(ChatKey chat, ChatPart part);

  private:
    Task<Result<void>> look_at(const ChatKey& chat);
    bool fits(const ChatPart& part) const;

    SessionStore& into_;
    ChatKey chat_;           // of the last part
    bool exists_ = false;    // when its first part came, or since
    ChatHistory there_;      // what it had when its first part came
    std::int64_t count_ = 0; // messages that it has now
    bool is_other_ = false;  // its parts so far did not fit
};

} // namespace npcchat
