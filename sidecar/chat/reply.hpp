// What a model says in a chat: its thinking cut, whole or as it comes.
#pragma once

#include "chat/deltas.hpp"
#include "chat/model_call.hpp"
#include "chat/thinking.hpp"

namespace npcchat {

struct Reply {
    Thought thought; // something is shown
    std::string finish_reason;
    Usage usage;
    std::string model; // that answered, of the table
};

// How a reply is wanted.
struct ReplyOptions {
    ThinkingRule rule = ThinkingRule::Everywhere;
    Deltas* deltas = nullptr;             // null: in one piece, at the end
    Cancellation* cancellation = nullptr; // null: nobody leaves
};

// The deltas together are the shown part. 502 where nothing is to be shown.
Task<Result<Reply>> get_reply(Services& services, Spending& spending, const Model& model,
                              CompletionRequest request, ReplyOptions options);

} // namespace npcchat
