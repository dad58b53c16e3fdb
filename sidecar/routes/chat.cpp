// Talking: to an NPC, to the plain assistant, and ending a session.
#include "account/names.hpp"
#include "chat/turn.hpp"
#include "http/edge.hpp"
#include "routes/body.hpp"
#include "routes/events.hpp"
#include "routes/routes.hpp"

#include <fmt/format.h>

namespace npcchat::routes {
namespace {

constexpr std::size_t kMaxMessage = 32'768; // bytes
constexpr std::size_t kMaxModelName = 256;
constexpr std::size_t kMaxNpcId = 128; // ids of the seed's system need not be UUIDs
constexpr std::size_t kMaxChatId = 64;

Result<std::string> checked_chat_id(std::string chat_id) {
    if (chat_id.empty() || is_chat_id(chat_id)) return chat_id;
    return fail(422, fmt::format("chat_id: must be 1 to {} of A-Z a-z 0-9 _ -", kMaxChatId));
}

// What /chat/ and /chat_npc/ have in common.
struct ChatRequest {
    TurnRequest turn;
    bool streamed = false;
};

Result<ChatRequest> read_chat(const json_t* body, const Request& request) {
    const Fields fields(body);
    ChatRequest chat;
    TurnRequest& turn = chat.turn;
    turn.user_id = request.identity->id;
    auto message = fields.text("message", 1, kMaxMessage);
    if (!message) return std::unexpected(std::move(message.error()));
    auto model = fields.optional_text("model", 1, kMaxModelName);
    if (!model) return std::unexpected(std::move(model.error()));
    auto given = fields.optional_text("chat_id", 0, kMaxChatId);
    if (!given) return std::unexpected(std::move(given.error()));
    auto chat_id = checked_chat_id(std::move(*given).value_or(""));
    if (!chat_id) return std::unexpected(std::move(chat_id.error()));
    const auto stream = fields.optional_flag("stream");
    if (!stream) return std::unexpected(stream.error());
    turn.message = std::move(*message);
    turn.model = std::move(*model).value_or("");
    turn.chat_id = std::move(*chat_id);
    turn.cancellation = request.cancellation;
    chat.streamed = stream->value_or(false);
    return chat;
}

std::string answer_json(const TurnAnswer& answer) {
    std::string body = R"({"response": )";
    append_json_string(body, answer.response);
    body += R"(, "chat_id": )";
    append_json_string(body, answer.chat_id);
    body += R"(, "model": )";
    append_json_string(body, answer.model);
    fmt::format_to(std::back_inserter(body),
                   R"(, "usage": {{"prompt_tokens": {}, "completion_tokens": {}}}}})",
                   answer.usage.prompt_tokens, answer.usage.completion_tokens);
    return body;
}

// `data: {"delta": "…"}` for every piece.
class DeltaEvents : public EventDeltas {
  public:
    using EventDeltas::EventDeltas;

    void put(std::string_view text) override {
        event_ = R"(data: {"delta": )";
        append_json_string(event_, text);
        event_ += "}\n\n";
        stream_.put(event_);
    }

  private:
    std::string event_;
};

Task<Result<Response>> answer_chat(Services& services, Request& request, ChatRequest chat) {
    DeltaEvents deltas(*request.stream);
    const std::string npc_id = chat.turn.npc_id;
    request.log_fields = log_value({.npc = npc_id, .chat = chat.turn.chat_id, .model = chat.turn.model});
    if (chat.streamed) {
        request.stream->announce(log_header_line(request.log_fields));
        chat.turn.deltas = &deltas;
    }
    const auto answer = co_await take_turn(services, std::move(chat.turn));
    if (!answer) co_return std::unexpected(answer.error());
    request.log_fields = log_value({npc_id, answer->chat_id, answer->model, answer->usage.prompt_tokens,
                                    answer->usage.completion_tokens});
    std::string body = answer_json(*answer);
    if (!chat.streamed) co_return json_response(std::move(body));
    co_return event_response("data: " + body + "\n\n");
}

} // namespace

Task<Result<Response>> chat_npc(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    auto npc_id = Fields(body->get()).text("npc_id", 1, kMaxNpcId);
    if (!npc_id) co_return std::unexpected(std::move(npc_id.error()));
    auto chat = read_chat(body->get(), request);
    if (!chat) co_return std::unexpected(std::move(chat.error()));
    chat->turn.npc_id = stored_npc_id(std::move(*npc_id));
    co_return co_await answer_chat(services, request, std::move(*chat));
}

Task<Result<Response>> chat(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    auto chat = read_chat(body->get(), request);
    if (!chat) co_return std::unexpected(std::move(chat.error()));
    co_return co_await answer_chat(services, request, std::move(*chat));
}

Task<Result<Response>> end_chat_session(Services& services, Request& request) {
    const auto given = query_field(request, "chat_id");
    if (!given) co_return std::unexpected(given.error());
    if (!*given || (*given)->empty()) co_return fail(422, "chat_id: field required, in the query");
    auto chat_id = checked_chat_id(**given);
    if (!chat_id) co_return std::unexpected(std::move(chat_id.error()));
    request.log_fields = log_value({.chat = *chat_id});
    auto ended = co_await end_session(services, ChatKey{request.identity->id, std::move(*chat_id)});
    if (!ended) co_return std::unexpected(std::move(ended.error()));
    co_return json_response(R"({"status": "Chat session ended, summary saved"})");
}

} // namespace npcchat::routes
