// The bodies of requests in OpenAI's form: what is read of them, and the rest as it came.
#pragma once

#include "base/json.hpp"
#include "chat/prompt.hpp"
#include "chat/spending.hpp"
#include "http/message.hpp"
#include "model/openai_wire.hpp"

#include <optional>
#include <string>
#include <vector>

namespace npcchat {

inline constexpr std::string_view kNpcPrefix = "npc/";

struct OpenAiRequest {
    Json body;
    std::string model;  // empty: the default
    std::string npc_id; // where the model is "npc/<npc_id>" (or "npc%2F<npc_id>")
    bool streamed = false;
    bool include_usage = false; // in a stream
    AnswerBound bound;
    CompletionRequest upstream; // for any model: numbers and unknown members keep their form
};

// POST /v1/chat/completions to a model. 400 and 422 as for every body.
Result<OpenAiRequest> read_completion_request(const std::string& body);
// POST /v1/embeddings.
Result<OpenAiRequest> read_embeddings_request(const std::string& body);

// What an NPC makes of a chat completion request.
struct NpcRequest {
    std::optional<std::string> chat_id; // of metadata, else X-Chat-Id; nothing: no chat
    std::string addition;               // what its system and developer messages say
    std::vector<PastMessage> history;   // all but the last message
    std::string message;                // the last one, the user's
    std::string parameters;             // members that go on to the model
};

// `body`: one that read_completion_request() has taken from `request`. 422 for tools, for roles and contents
// that an NPC does not take, and where the last message is not the user's.
Result<NpcRequest> read_npc_request(const json_t* body, const Request& request);

} // namespace npcchat
