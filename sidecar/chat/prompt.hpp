// The messages that a model is sent: for a turn of a chat, and for the memory at its end.
//
// Providers cache by prefix, so what is stable comes first: world and character, then memory, then history.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// Who speaks. The texts are the studio's own and go into the prompt as they are.
struct Character {
    std::string_view world_descr;
    std::string_view char_descr;
    bool has_scratchpad = false;
    std::string_view addition = {}; // to the character, for one call
};

// A message of the chat as it is stored; an NPC's has its thinking cut already.
struct PastMessage {
    enum class Role : std::uint8_t { user, assistant };
    Role role = Role::user;
    std::string text;
};

struct ChatMessage {
    std::string_view role; // a literal: "system", "user" or "assistant"
    std::string content;
};

// In estimated tokens (tokens.hpp).
struct Budget {
    std::size_t context_tokens = 0; // the model's context, prompt and answer together
    std::size_t answer_tokens = 0;  // reserved for the answer
    std::size_t history_tokens = 0; // the most that past messages may take
};

// Estimated tokens that a message costs beside its content: role and separators.
inline constexpr std::size_t kMessageTokens = 4;

// `character` null: the plain assistant of /chat/. `memory` is made harmless, and left out where empty.
std::string system_message(const Character* character, std::string_view memory);

// System message, history, user message. `history` is oldest first; of it the newest messages are sent, whole
// and without a gap, as many as fit, beginning with the user's part of a turn wherever the answer's part
// would be left without it. `system` and `message` are sent whole even where they alone are over the budget.
// What the user said, now and before, is made harmless.
std::vector<ChatMessage> chat_prompt(std::string system, std::span<const PastMessage> history,
                                     std::string_view message, const Budget& budget);

// Asks the character to reflect on `transcript` (a part from fold_transcript). The answer, thinking cut, is
// the new memory: it stands for `memory` and the transcript together.
std::vector<ChatMessage> reflection_prompts(const Character* character, std::string_view memory,
                                            std::string_view transcript);

// Tokens that each part of the transcript may have in reflection_prompts, where every part's answer, of up to
// budget.answer_tokens, becomes the memory for the next part. history_tokens plays no role. May be 0.
std::size_t transcript_tokens(const Character* character, std::string_view memory, const Budget& budget);

// The conversation (oldest first) as lines "User: …" and "You: …", made harmless, in as few parts of at most
// `tokens` as messages in their order allow; the parts are to be folded into the memory one after the other.
// A message too long for a part is cut between characters, and its pieces are marked by the speaker each.
// Where `tokens` is under 64 it counts as 64. Empty where nothing was said.
std::vector<std::string> fold_transcript(std::span<const PastMessage> history, std::size_t tokens);

} // namespace npcchat
