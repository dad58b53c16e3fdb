#include "routes/openai_npc.hpp"

#include "base/ids.hpp"
#include "chat/turn.hpp"
#include "routes/body.hpp"
#include "routes/events.hpp"
#include "routes/quoted.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr std::string_view kChatHeader = "X-Chat-Id";
// Not X-Npcchat-…: the edge removes all of those.
constexpr std::string_view kIgnoredHeader = "X-Npc-System-Ignored";

// What all parts of one answer have in common.
struct Frame {
    std::string id = "chatcmpl-" + random_token(18);
    Millis created = now_ms() / 1000;
    std::string model;

    // `{"id": …, "object": "<object>", "created": …, "model": …, `
    std::string head(std::string_view object) const {
        return fmt::format(R"({{"id": "{}", "object": "{}", "created": {}, "model": {}, )", id, object,
                           created, json_string(model));
    }
};

std::string usage_json(const Usage& usage) {
    return fmt::format(R"("usage": {{"prompt_tokens": {}, "completion_tokens": {}, "total_tokens": {}}})",
                       usage.prompt_tokens, usage.completion_tokens,
                       usage.prompt_tokens + usage.completion_tokens);
}

// A member that OpenAI does not have, where something was searched.
std::string knowledge_json(const TurnAnswer& answer) {
    std::string json;
    if (answer.quoted) append_quoted(json, *answer.quoted);
    return json.empty() ? json : json + ", ";
}

std::string whole_json(const Frame& frame, const TurnAnswer& answer) {
    return fmt::format(R"({}{}"choices": [{{"index": 0, "message": {{"role": "assistant", "content": {}, )"
                       R"("refusal": null}}, "logprobs": null, "finish_reason": {}}}], {}}})",
                       frame.head("chat.completion"), knowledge_json(answer), json_string(answer.response),
                       json_string(answer.finish_reason), usage_json(answer.usage));
}

constexpr std::string_view kChunk = "chat.completion.chunk";

// Chunks of a completion, the first of which says who speaks.
class CompletionDeltas : public EventDeltas {
  public:
    CompletionDeltas(AnswerStream& stream, const Frame& frame)
        : EventDeltas(stream),
          front_("data: " + frame.head(kChunk) + R"("choices": [{"index": 0, "delta": {)") {}

    void put(std::string_view text) override {
        event_ = front_;
        if (!std::exchange(begun_, true)) event_ += R"("role": "assistant", )";
        event_ += R"("content": )";
        append_json_string(event_, text);
        event_ += R"(}, "logprobs": null, "finish_reason": null}]})"
                  "\n\n";
        stream_.put(event_);
    }

  private:
    std::string front_;
    std::string event_;
    bool begun_ = false;
};

std::string last_events(const Frame& frame, const TurnAnswer& answer, bool include_usage) {
    const std::string head = "data: " + frame.head(kChunk);
    std::string events = fmt::format(
        R"({}{}"choices": [{{"index": 0, "delta": {{}}, "logprobs": null, "finish_reason": {}}}]}})"
        "\n\n",
        head, knowledge_json(answer), json_string(answer.finish_reason));
    if (include_usage)
        events += fmt::format(R"({}"choices": [], {}}})"
                              "\n\n",
                              head, usage_json(answer.usage));
    return events += "data: [DONE]\n\n";
}

using Headers = std::vector<std::pair<std::string_view, std::string>>;

std::string lines_of(const Headers& headers) {
    std::string lines;
    for (const auto& [name, value] : headers)
        lines.append(name).append(": ").append(value).append("\r\n");
    return lines;
}

} // namespace

Task<Result<Response>> complete_as_npc(Services& services, Request& request, OpenAiRequest asked) {
    auto said = read_npc_request(asked.body.get(), request);
    if (!said) co_return std::unexpected(std::move(said.error()));
    const auto npc = co_await services.shared.npcs.find(services.catalog, asked.npc_id);
    if (!npc) co_return std::unexpected(npc.error());
    const Identity& identity = *request.identity;
    const bool may_add = identity.is_admin || (*npc)->owner_id == identity.id;

    Headers headers;
    if (said->chat_id) headers.emplace_back(kChatHeader, *said->chat_id);
    if (!said->addition.empty() && !may_add) headers.emplace_back(kIgnoredHeader, "1");

    Frame frame;
    frame.model = std::string(kNpcPrefix) + (*npc)->npc_id;
    CompletionDeltas deltas(*request.stream, frame);
    TurnRequest turn;
    turn.user_id = identity.id;
    turn.plan = parse_request_plan(request.plan);
    turn.bound = asked.bound;
    turn.npc_id = (*npc)->npc_id;
    turn.message = std::move(said->message);
    if (may_add) turn.addition = std::move(said->addition);
    if (said->chat_id)
        turn.chat_id = std::move(*said->chat_id);
    else
        turn.history = std::move(said->history);
    turn.parameters = std::move(said->parameters);
    turn.cancellation = request.cancellation;
    turn.trace = request.trace;
    if (asked.streamed) {
        request.stream->announce(lines_of(headers));
        turn.deltas = &deltas;
    }
    asked.body.reset();
    request.body = std::string();

    const auto answer = co_await take_turn(services, std::move(turn));
    if (!answer) co_return std::unexpected(answer.error());
    if (asked.streamed) co_return event_response(last_events(frame, *answer, asked.include_usage));
    Response response = json_response(whole_json(frame, *answer));
    response.headers = std::move(headers);
    co_return response;
}

} // namespace npcchat
