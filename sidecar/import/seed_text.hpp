// Messages as the seed's system stored them.
#pragma once

#include "base/error.hpp"
#include "session/session_store.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace npcchat {

// One entry of a list chat_history:{key}:{chat_id}: {"text", "role"}. The user's "#USER:" mark is taken off;
// what an NPC wrote between #SCRATCHPAD and #ANSWER, or inside thinking tags, becomes its scratchpad. Nothing
// for what is no such entry.
std::optional<Message> parse_seed_message(std::string_view entry, Millis at);

// "chat_history:{key}:{chat_id}" or "long_memory:{key}:{chat_id}", taken apart. Nothing where no user is in
// it.
struct SeedChatName {
    std::string key;
    std::string chat_id;
};
std::optional<SeedChatName> parse_seed_chat_name(std::string_view name, std::string_view prefix);

} // namespace npcchat
