#include "routes/openai_request.hpp"

#include "account/names.hpp"
#include "base/json_walk.hpp"
#include "chat/harmless.hpp"
#include "chat/tokens.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr std::size_t kMaxModelName = 256;
constexpr std::size_t kMaxMessage = 32'768; // bytes, in a chat; without one, the body's bound is enough

std::unexpected<Error> wrong(std::string_view field, std::string_view what) {
    return fail(422, fmt::format("{}: {}", field, what));
}

bool is_absent(const json_t* value) {
    return !value || json_is_null(value);
}

std::string text_of(const json_t* value) {
    return {json_string_value(value), json_string_length(value)};
}

std::string npc_id_in(std::string_view model) {
    for (const std::string_view prefix :
         {kNpcPrefix, std::string_view("npc%2F"), std::string_view("npc%2f")}) {
        if (model.starts_with(prefix)) return stored_npc_id(std::string(model.substr(prefix.size())));
    }
    return {};
}

Result<void> read_stream_options(const json_t* root, const std::string& body, OpenAiRequest& request) {
    const json_t* options = json_object_get(root, "stream_options");
    if (is_absent(options)) return {};
    if (!json_is_object(options)) return wrong("stream_options", "must be an object");
    const auto include_usage = Fields(options).optional_flag("include_usage");
    if (!include_usage) return wrong("stream_options.include_usage", "must be true or false");
    request.include_usage = include_usage->value_or(false);
    request.upstream.stream_options =
        members_without(find_json_member(body, "stream_options"), {"include_usage"});
    return {};
}

Result<std::string> read_model(const json_t* root) {
    auto model = Fields(root).optional_text("model", 1, kMaxModelName);
    if (!model) return std::unexpected(std::move(model.error()));
    return std::move(*model).value_or("");
}

// --- NPCs ---

// A content is a text, or a list of parts that are texts.
Result<std::string> read_content(const json_t* content, const std::string& place) {
    if (json_is_string(content)) return text_of(content);
    if (!json_is_array(content)) return wrong(place, "must be a text, or a list of parts");
    std::string text;
    for (std::size_t i = 0; i < json_array_size(content); ++i) {
        const json_t* part = json_array_get(content, i);
        const json_t* piece = json_object_get(part, "text");
        if (!json_is_string(piece)) return wrong(fmt::format("{}[{}]", place, i), "an NPC reads only text");
        text += text_of(piece);
    }
    return text;
}

Result<void> read_message(const json_t* message, std::size_t index, NpcRequest& request) {
    const std::string place = fmt::format("messages[{}]", index);
    if (!json_is_object(message)) return wrong(place, "must be an object");
    const json_t* role_value = json_object_get(message, "role");
    const std::string_view role = json_is_string(role_value) ? json_string_value(role_value) : "";
    const json_t* content = json_object_get(message, "content");
    const bool says_nothing = role == "assistant" && is_absent(content);
    auto text = says_nothing ? Result<std::string>() : read_content(content, place + ".content");
    if (!text) return std::unexpected(std::move(text.error()));
    if (role == "system" || role == "developer") {
        if (!request.addition.empty()) request.addition += "\n\n";
        request.addition += *text;
    } else if (role == "user") {
        request.history.push_back({PastMessage::Role::user, std::move(*text)});
    } else if (role == "assistant") {
        // What the NPC is said to have answered is the caller's text, and no more to be believed.
        if (!text->empty()) request.history.push_back({PastMessage::Role::assistant, harmless(*text)});
    } else {
        return wrong(place + ".role", "must be system, developer, user or assistant");
    }
    return {};
}

Result<void> refuse_tools(const json_t* root) {
    for (const char* name : {"tools", "functions"}) {
        const json_t* value = json_object_get(root, name);
        const bool none = is_absent(value) || (json_is_array(value) && json_array_size(value) == 0);
        if (!none) return wrong(name, "an NPC has no tools, leave them out or ask a model");
    }
    const json_t* count = json_object_get(root, "n");
    if (!is_absent(count) && !(json_is_integer(count) && json_integer_value(count) == 1))
        return wrong("n", "an NPC gives one answer, leave it out or say 1");
    return {};
}

Result<std::optional<std::string>> read_chat_id(const json_t* root, const Request& request) {
    std::string_view place = "metadata.chat_id";
    std::string chat_id;
    const json_t* given = json_object_get(json_object_get(root, "metadata"), "chat_id");
    if (!is_absent(given)) {
        if (!json_is_string(given)) return wrong(place, "must be a string");
        chat_id = text_of(given);
    }
    if (chat_id.empty()) {
        place = "X-Chat-Id";
        chat_id = request.chat_id;
    }
    if (chat_id.empty()) return std::nullopt;
    if (!is_chat_id(chat_id)) return wrong(place, "must be 1 to 64 of A-Z a-z 0-9 _ -");
    return chat_id;
}

// What the model would refuse is not refused here.
AnswerBound bound_of(const json_t* root) {
    AnswerBound bound;
    for (const char* name : {"max_tokens", "max_completion_tokens"}) {
        const json_t* tokens = json_object_get(root, name);
        if (json_is_integer(tokens)) bound.tokens = json_integer_value(tokens);
    }
    const json_t* choices = json_object_get(root, "n");
    if (json_is_integer(choices)) bound.choices = json_integer_value(choices);
    return bound;
}

} // namespace

Result<OpenAiRequest> read_completion_request(const std::string& body) {
    auto root = parse_json_object(body);
    if (!root) return std::unexpected(root.error());
    OpenAiRequest request;
    auto model = read_model(root->get());
    if (!model) return std::unexpected(std::move(model.error()));
    request.npc_id = npc_id_in(*model);
    request.model = std::move(*model);
    const auto streamed = Fields(root->get()).optional_flag("stream");
    if (!streamed) return std::unexpected(streamed.error());
    request.streamed = streamed->value_or(false);
    if (auto read = read_stream_options(root->get(), body, request); !read)
        return std::unexpected(std::move(read.error()));
    const json_t* messages = json_object_get(root->get(), "messages");
    if (is_absent(messages)) return wrong("messages", "field required");
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return wrong("messages", "must be a list of messages");
    request.upstream.members = members_without(body, {"model", "stream", "stream_options"});
    request.upstream.prompt_estimate =
        static_cast<std::int64_t>(estimate_tokens(find_json_member(body, "messages")));
    request.bound = bound_of(root->get());
    request.body = std::move(*root);
    return request;
}

Result<OpenAiRequest> read_embeddings_request(const std::string& body) {
    auto root = parse_json_object(body);
    if (!root) return std::unexpected(root.error());
    OpenAiRequest request;
    auto model = read_model(root->get());
    if (!model) return std::unexpected(std::move(model.error()));
    request.model = std::move(*model);
    const json_t* input = json_object_get(root->get(), "input");
    if (is_absent(input)) return wrong("input", "field required");
    if (!json_is_string(input) && !json_is_array(input))
        return wrong("input", "must be a text, or a list of texts");
    request.upstream.members = members_without(body, {"model"});
    request.upstream.prompt_estimate =
        static_cast<std::int64_t>(estimate_tokens(find_json_member(body, "input")));
    request.bound.tokens = 0;
    request.body = std::move(*root);
    return request;
}

Result<NpcRequest> read_npc_request(const json_t* body, const Request& request) {
    if (auto none = refuse_tools(body); !none) return std::unexpected(std::move(none.error()));
    NpcRequest npc;
    auto chat_id = read_chat_id(body, request);
    if (!chat_id) return std::unexpected(std::move(chat_id.error()));
    npc.chat_id = std::move(*chat_id);
    const json_t* messages = json_object_get(body, "messages");
    for (std::size_t i = 0; i < json_array_size(messages); ++i) {
        if (auto read = read_message(json_array_get(messages, i), i, npc); !read)
            return std::unexpected(std::move(read.error()));
    }
    if (npc.history.empty() || npc.history.back().role != PastMessage::Role::user)
        return wrong("messages", "the last one must be the user's");
    npc.message = std::move(npc.history.back().text);
    npc.history.pop_back();
    if (npc.message.empty()) return wrong("messages", "the last one must say something");
    if (npc.chat_id && npc.message.size() > kMaxMessage)
        return wrong("messages", fmt::format("the last one must be at most {} bytes long", kMaxMessage));
    npc.parameters =
        members_without(request.body, {"model", "messages", "stream", "stream_options", "metadata", "tools",
                                       "tool_choice", "parallel_tool_calls", "functions", "function_call"});
    return npc;
}

} // namespace npcchat
