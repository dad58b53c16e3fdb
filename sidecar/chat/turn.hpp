// One turn of a chat: load the session, build the prompt, call the model, store the turn, answer.
#pragma once

#include "http/message.hpp"
#include "services.hpp"

#include <string>

namespace npcchat {

struct TurnRequest {
    UserId user_id = 0;
    std::string chat_id; // empty: a new chat
    std::string npc_id;  // empty: the plain assistant
    std::string message;
    std::string model; // empty: the default
};

struct TurnAnswer {
    std::string response;
    std::string chat_id;
    std::string model;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
};

Task<Result<TurnAnswer>> take_turn(Services& services, TurnRequest request);

// Folds what was said since the last end into the chat's memory. 400 where nothing was ever said; where
// nothing was said since the last end, no model is called.
Task<Result<void>> end_session(Services& services, ChatKey chat);

} // namespace npcchat
