// An NPC as a model of OpenAI's API.
#pragma once

#include "http/message.hpp"
#include "routes/openai_request.hpp"
#include "services.hpp"

namespace npcchat {

// Answers a chat completion request whose model is an NPC: in a chat of ours where it names one, else from
// the caller's messages alone.
Task<Result<Response>> complete_as_npc(Services& services, Request& request, OpenAiRequest asked);

} // namespace npcchat
