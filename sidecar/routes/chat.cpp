// Talking: to an NPC, to the plain assistant, and ending a session.
#include "account/names.hpp"
#include "chat/turn.hpp"
#include "routes/body.hpp"
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
Result<TurnRequest> read_turn(const json_t* body, const Request& request) {
    const Fields fields(body);
    TurnRequest turn;
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
    if (stream->value_or(false))
        return fail(422, "stream: answers are not streamed, leave it out or say false");
    turn.message = std::move(*message);
    turn.model = std::move(*model).value_or("");
    turn.chat_id = std::move(*chat_id);
    return turn;
}

Task<Result<Response>> answer_turn(Services& services, TurnRequest turn) {
    const auto answer = co_await take_turn(services, std::move(turn));
    if (!answer) co_return std::unexpected(answer.error());
    std::string body = R"({"response": )";
    append_json_string(body, answer->response);
    body += R"(, "chat_id": )";
    append_json_string(body, answer->chat_id);
    body += R"(, "model": )";
    append_json_string(body, answer->model);
    fmt::format_to(std::back_inserter(body),
                   R"(, "usage": {{"prompt_tokens": {}, "completion_tokens": {}}}}})", answer->prompt_tokens,
                   answer->completion_tokens);
    co_return json_response(std::move(body));
}

} // namespace

Task<Result<Response>> chat_npc(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    auto npc_id = Fields(body->get()).text("npc_id", 1, kMaxNpcId);
    if (!npc_id) co_return std::unexpected(std::move(npc_id.error()));
    auto turn = read_turn(body->get(), request);
    if (!turn) co_return std::unexpected(std::move(turn.error()));
    turn->npc_id = is_uuid4(*npc_id) ? fold_name(*npc_id) : std::move(*npc_id);
    co_return co_await answer_turn(services, std::move(*turn));
}

Task<Result<Response>> chat(Services& services, Request& request) {
    const auto body = json_body(request);
    if (!body) co_return std::unexpected(body.error());
    auto turn = read_turn(body->get(), request);
    if (!turn) co_return std::unexpected(std::move(turn.error()));
    co_return co_await answer_turn(services, std::move(*turn));
}

Task<Result<Response>> end_chat_session(Services& services, Request& request) {
    const auto given = query_field(request, "chat_id");
    if (!given) co_return std::unexpected(given.error());
    if (!*given || (*given)->empty()) co_return fail(422, "chat_id: field required, in the query");
    auto chat_id = checked_chat_id(**given);
    if (!chat_id) co_return std::unexpected(std::move(chat_id.error()));
    auto ended = co_await end_session(services, ChatKey{request.identity->id, std::move(*chat_id)});
    if (!ended) co_return std::unexpected(std::move(ended.error()));
    co_return json_response(R"({"status": "Chat session ended, summary saved"})");
}

} // namespace npcchat::routes
