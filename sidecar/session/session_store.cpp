#include "session/session_store.hpp"

#include "base/ids.hpp"

#include <atomic>

namespace npcchat {

std::string new_lease_token() {
    static const std::string process = random_token(12);
    static std::atomic<std::uint64_t> count = 0;
    return process + std::to_string(count.fetch_add(1, std::memory_order_relaxed));
}

std::unexpected<Error> chat_is_busy() {
    return fail(409, "This chat is answering another message, wait for that answer");
}

std::unexpected<Error> chat_has_other_npc() {
    return fail(409, "This chat belongs to another NPC, start a chat of its own for this one");
}

std::unexpected<Error> lease_was_lost() {
    return fail(503, "The turn took too long to keep its place and was not stored, try again", 1);
}

} // namespace npcchat
