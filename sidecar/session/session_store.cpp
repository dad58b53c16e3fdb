#include "session/session_store.hpp"

namespace npcchat {

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
