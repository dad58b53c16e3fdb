// One turn of a chat: load the session, build the prompt, call the model, store the turn, answer. A turn
// whose client leaves before it is stored is not stored, and its chat is free again.
#pragma once

#include "chat/reply.hpp"
#include "knowledge/retrieval.hpp"

#include <string>

namespace npcchat {

struct TurnRequest {
    UserId user_id = 0;
    RequestPlan plan = {};
    std::string chat_id; // empty: a new chat
    std::string npc_id;  // empty: the plain assistant
    std::string message;
    std::string model; // empty: the default
    // Instead of a chat: then nothing is loaded, stored or remembered.
    std::optional<std::vector<PastMessage>> history = std::nullopt;
    std::string addition = {};   // to the NPC's character, from who may write it
    std::string parameters = {}; // more members for the model's request
    AnswerBound bound = {};      // that they have
    // The plain assistant answers from the shared documents, and from nothing else.
    std::optional<RetrievalOptions> from_documents = std::nullopt;
    // Where it may have been carried out before: its chat then has a question with this tag, and its answer
    // is given again.
    std::string repeat_tag = {};
    Deltas* deltas = nullptr; // null: the answer is wanted whole
    Cancellation* cancellation = nullptr;
    std::optional<TraceContext> trace = std::nullopt; // what the turn is part of
};

struct TurnAnswer {
    std::string response;
    std::string chat_id; // empty without a chat
    std::string model;
    std::string finish_reason;
    Usage usage;
    // What the model was quoted, best first; nothing, where there was nothing to search.
    std::optional<std::vector<Passage>> quoted = std::nullopt;
};

Task<Result<TurnAnswer>> take_turn(Services& services, TurnRequest request);

// Folds what was said since the last end into the chat's memory. 400 where nothing was ever said; where
// nothing was said since the last end, no model is called.
Task<Result<void>> end_session(Services& services, ChatKey chat, RequestPlan plan,
                               std::optional<TraceContext> trace);

} // namespace npcchat
