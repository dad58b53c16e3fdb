// Talking: to an NPC, to the plain assistant, to the shared documents, and ending a session.
#include "account/names.hpp"
#include "chat/turn.hpp"
#include "http/edge.hpp"
#include "routes/body.hpp"
#include "routes/events.hpp"
#include "routes/quoted.hpp"
#include "routes/repeats.hpp"
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

// What /chat/, /chat_npc/ and /rag/ have in common.
struct ChatRequest {
    TurnRequest turn;
    bool streamed = false;
};

Result<ChatRequest> read_chat(const json_t* body, const Request& request,
                              const char* message_field = "message") {
    const Fields fields(body);
    ChatRequest chat;
    TurnRequest& turn = chat.turn;
    turn.user_id = request.identity->id;
    turn.plan = parse_request_plan(request.plan);
    auto message = fields.text(message_field, 1, kMaxMessage);
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
    turn.trace = request.trace;
    chat.streamed = stream->value_or(false);
    return chat;
}

// The texts alone, as /rag/ gives them.
void append_context(std::string& body, const std::vector<Passage>& quoted) {
    body += R"(, "context": [)";
    for (const Passage& passage : quoted) {
        if (&passage != &quoted.front()) body += ", ";
        append_json_string(body, passage.text);
    }
    body += "]";
}

std::string answer_json(const TurnAnswer& answer, bool from_documents) {
    std::string body = R"({"response": )";
    append_json_string(body, answer.response);
    body += R"(, "chat_id": )";
    append_json_string(body, answer.chat_id);
    body += R"(, "model": )";
    append_json_string(body, answer.model);
    if (from_documents) append_context(body, *answer.quoted);
    if (answer.quoted) append_quoted(body += ", ", *answer.quoted);
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

Task<Result<std::string>> take_and_write(Services& services, Request& request, TurnRequest turn) {
    const std::string npc_id = turn.npc_id;
    const bool from_documents = turn.from_documents.has_value();
    const auto answer = co_await take_turn(services, std::move(turn));
    if (!answer) co_return std::unexpected(answer.error());
    request.log_fields = log_value({npc_id, answer->chat_id, answer->model, answer->usage.prompt_tokens,
                                    answer->usage.completion_tokens});
    co_return answer_json(*answer, from_documents);
}

// As the first request's client has got it, but in one piece.
void put_whole(DeltaEvents& deltas, const std::string& answer) {
    const auto json = parse_json(answer);
    const auto text = json ? Fields(json->get()).text("response", 1, answer.size()) : Result<std::string>("");
    if (text && !text->empty()) deltas.put(*text);
}

Task<Result<std::string>> answer_repeatable(Services& services, Request& request, std::string_view route,
                                            ChatRequest chat, DeltaEvents& deltas) {
    // Who leaves comes back for the answer.
    chat.turn.cancellation = nullptr;
    bool carried_out = false;
    auto answer = co_await answer_once(services, request, route, [&](std::string tag) {
        carried_out = true;
        chat.turn.repeat_tag = std::move(tag);
        return take_and_write(services, request, chat.turn);
    });
    if (answer && !carried_out && chat.streamed) put_whole(deltas, *answer);
    co_return answer;
}

Task<Result<Response>> answer_chat(Services& services, Request& request, std::string_view route,
                                   ChatRequest chat) {
    DeltaEvents deltas(*request.stream);
    const bool streamed = chat.streamed;
    request.log_fields =
        log_value({.npc = chat.turn.npc_id, .chat = chat.turn.chat_id, .model = chat.turn.model});
    if (streamed) {
        request.stream->announce(log_header_line(request.log_fields));
        chat.turn.deltas = &deltas;
    }
    Result<std::string> body;
    if (is_repeatable(request))
        body = co_await answer_repeatable(services, request, route, std::move(chat), deltas);
    else
        body = co_await take_and_write(services, request, std::move(chat.turn));
    if (!body) co_return std::unexpected(std::move(body.error()));
    if (!streamed) co_return json_response(std::move(*body));
    co_return event_response("data: " + *body + "\n\n");
}

// What of /rag/'s body says how to search, and how long the answer may be.
Result<void> read_retrieval(const json_t* body, TurnRequest& turn) {
    const Fields fields(body);
    const auto retrieve = fields.optional_integer("top_k_retrieve", 1, 200);
    if (!retrieve) return std::unexpected(retrieve.error());
    const auto rank = fields.optional_integer("top_k_rank", 1, 100);
    if (!rank) return std::unexpected(rank.error());
    const auto length = fields.optional_integer("max_out_tokens", 1, 1'000'000);
    if (!length) return std::unexpected(length.error());
    const auto reranked = fields.optional_flag("use_reranker");
    if (!reranked) return std::unexpected(reranked.error());
    turn.from_documents = RetrievalOptions{.retrieve = static_cast<int>(retrieve->value_or(20)),
                                           .keep = static_cast<int>(rank->value_or(4)),
                                           .rerank = reranked->value_or(false)};
    turn.bound.tokens = length->value_or(512);
    turn.parameters = fmt::format(R"("max_tokens": {})", *turn.bound.tokens);
    return {};
}

} // namespace

Task<Result<Response>> rag(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    auto chat = read_chat(body->get(), request, "query");
    if (!chat) co_return std::unexpected(std::move(chat.error()));
    const auto options = read_retrieval(body->get(), chat->turn);
    if (!options) co_return std::unexpected(options.error());
    co_return co_await answer_chat(services, request, "/rag", std::move(*chat));
}

Task<Result<Response>> chat_npc(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    auto npc_id = Fields(body->get()).text("npc_id", 1, kMaxNpcId);
    if (!npc_id) co_return std::unexpected(std::move(npc_id.error()));
    auto chat = read_chat(body->get(), request);
    if (!chat) co_return std::unexpected(std::move(chat.error()));
    chat->turn.npc_id = stored_npc_id(std::move(*npc_id));
    co_return co_await answer_chat(services, request, "/chat_npc", std::move(*chat));
}

Task<Result<Response>> chat(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    auto chat = read_chat(body->get(), request);
    if (!chat) co_return std::unexpected(std::move(chat.error()));
    co_return co_await answer_chat(services, request, "/chat", std::move(*chat));
}

Task<Result<Response>> end_chat_session(Services& services, Request& request) {
    const auto given = query_field(request, "chat_id");
    if (!given) co_return std::unexpected(given.error());
    if (!*given || (*given)->empty()) co_return fail(422, "chat_id: field required, in the query");
    auto chat_id = checked_chat_id(**given);
    if (!chat_id) co_return std::unexpected(std::move(chat_id.error()));
    request.log_fields = log_value({.chat = *chat_id});
    auto ended = co_await end_session(services, ChatKey{request.identity->id, std::move(*chat_id)},
                                      parse_request_plan(request.plan), request.trace);
    if (!ended) co_return std::unexpected(std::move(ended.error()));
    co_return json_response(R"({"status": "Chat session ended, summary saved"})");
}

} // namespace npcchat::routes
