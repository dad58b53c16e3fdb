// Which chats are to be looked at by the archiver, and when: hints, which may get lost.
//
//   npcchat:{q:<number>}:archive   sorted set  "<user id>:<chat id>" → when, in milliseconds since 1970
//
// Each queue is on a slot of its own, so that a Redis Cluster shares the work.
#pragma once

#include "io/redis.hpp"
#include "session/session_store.hpp"

#include <array>
#include <map>

namespace npcchat {

class ArchiveQueue {
  public:
    static constexpr int kQueues = 16;

    ArchiveQueue(Executor executor, Redis& redis) : executor_(executor), redis_(redis) {}

    // Has the chat looked at then, whatever was said before. Hints are gathered for kGather and sent
    // together: nobody waits for one, and where it gets lost, the archiver finds the chat by itself, later.
    void hint(const ChatKey& chat, Millis when);
    // Only where nothing is said of it yet: true, if so.
    Task<Result<bool>> hint_if_missing(ChatKey chat, Millis when);

    struct Claim {
        ChatKey chat;
        Millis until = 0; // nobody else takes it before
    };
    // Takes some of those that are due in a queue (0 to kQueues - 1). Who does not settle a claim leaves it
    // to whoever comes after `until`.
    Task<Result<std::vector<Claim>>> claim(int queue, Millis until, int most);
    // Looked at again then, or never (nothing). A hint that came meanwhile stays.
    Task<void> settle(const Claim& claim, std::optional<Millis> next);

  private:
    static constexpr auto kGather = std::chrono::milliseconds(250);
    using Hints = std::map<std::string, std::string>; // a chat's member → its score

    Task<void> send_later();

    Executor executor_;
    Redis& redis_;
    std::array<Hints, kQueues> hints_; // that are not sent yet
    bool sending_ = false;
};

} // namespace npcchat
