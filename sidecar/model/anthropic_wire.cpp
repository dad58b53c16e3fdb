#include "model/anthropic_wire.hpp"

#include "base/clock.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string_view text_of(const json_t* object, const char* name) {
    const json_t* value = json_object_get(object, name);
    if (!json_is_string(value)) return {};
    return {json_string_value(value), json_string_length(value)};
}

std::int64_t count_of(const json_t* object, const char* name) {
    return std::max<std::int64_t>(json_integer_value(json_object_get(object, name)), 0);
}

std::string compact(const json_t* value) {
    const std::unique_ptr<char, decltype(&free)> text(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY),
                                                      free);
    return text ? text.get() : "null";
}

std::unexpected<Error> malformed() {
    return fail(502, "The model endpoint gave a malformed answer");
}

std::string_view finish_reason(std::string_view stop_reason) {
    if (stop_reason == "max_tokens" || stop_reason == "model_context_window_exceeded") return "length";
    if (stop_reason == "tool_use") return "tool_calls";
    if (stop_reason == "refusal") return "content_filter";
    return "stop";
}

// What of the prompt was read from the provider's cache or written to it is not in `input_tokens`.
std::int64_t cached_tokens(const json_t* usage) {
    return count_of(usage, "cache_read_input_tokens");
}

std::int64_t prompt_tokens(const json_t* usage) {
    return count_of(usage, "input_tokens") + count_of(usage, "cache_creation_input_tokens") +
           cached_tokens(usage);
}

std::string usage_json(std::int64_t prompt, std::int64_t cached, std::int64_t completion) {
    return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                       R"("prompt_tokens_details":{{"cached_tokens":{}}}}})",
                       prompt, completion, prompt + completion, cached);
}

std::string tool_call_json(std::size_t index, const json_t* block, std::string_view arguments) {
    return fmt::format(R"({{"index":{},"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}})",
                       index, json_string(text_of(block, "id")), json_string(text_of(block, "name")),
                       json_string(arguments));
}

// The parts of a message: what is said, thought and called.
struct Parts {
    std::string text;
    std::string thinking;
    std::string tool_calls; // divided by commas
};

Parts parts_of(const json_t* content) {
    Parts parts;
    std::size_t calls = 0;
    for (std::size_t i = 0; i < json_array_size(content); ++i) {
        const json_t* block = json_array_get(content, i);
        const std::string_view type = text_of(block, "type");
        if (type == "text") parts.text += text_of(block, "text");
        if (type == "thinking") parts.thinking += text_of(block, "thinking");
        if (type != "tool_use") continue;
        if (calls > 0) parts.tool_calls += ',';
        parts.tool_calls += tool_call_json(calls++, block, compact(json_object_get(block, "input")));
    }
    return parts;
}

std::string message_json(const Parts& parts) {
    std::string json = R"({"role":"assistant","content":)";
    json += parts.text.empty() ? "null" : json_string(parts.text);
    if (!parts.thinking.empty()) json.append(R"(,"reasoning_content":)").append(json_string(parts.thinking));
    if (!parts.tool_calls.empty()) json.append(R"(,"tool_calls":[)").append(parts.tool_calls).append("]");
    json += '}';
    return json;
}

} // namespace

Result<std::string> completion_of_anthropic(std::string_view body) {
    const auto parsed = parse_json(body);
    if (!parsed) return malformed();
    const json_t* root = parsed->get();
    const json_t* content = json_object_get(root, "content");
    if (text_of(root, "type") != "message" || !json_is_array(content)) return malformed();
    const json_t* usage = json_object_get(root, "usage");
    return fmt::format(
        R"({{"id":{},"object":"chat.completion","created":{},"model":{},"choices":[{{"index":0,)"
        R"("message":{},"logprobs":null,"finish_reason":"{}"}}],"usage":{}}})",
        json_string(text_of(root, "id")), now_ms() / 1000, json_string(text_of(root, "model")),
        message_json(parts_of(content)), finish_reason(text_of(root, "stop_reason")),
        usage_json(prompt_tokens(usage), cached_tokens(usage), count_of(usage, "output_tokens")));
}

std::string AnthropicStream::chunk(std::string_view choices, std::string_view more) const {
    return fmt::format(
        R"({{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"choices":[{}]{}}})",
        json_string(id_), created_, json_string(model_), choices, more);
}

std::string AnthropicStream::delta_chunk(std::string_view delta) const {
    return chunk(fmt::format(R"({{"index":0,"delta":{{{}}},"finish_reason":null}})", delta));
}

Result<AnthropicStream::Chunks> AnthropicStream::translate(std::string_view type, std::string_view data) {
    const auto parsed = parse_json(data);
    if (!parsed) return malformed();
    const json_t* root = parsed->get();
    if (type.empty()) type = text_of(root, "type");
    if (type == "message_start") return begin(json_object_get(root, "message"));
    if (type == "content_block_start") return begin_block(json_object_get(root, "content_block"));
    if (type == "content_block_delta") return go_on(json_object_get(root, "delta"));
    if (type == "message_delta") return end(root);
    if (type == "message_stop") return Chunks{"[DONE]"};
    if (type == "error") return report(json_object_get(root, "error"));
    return Chunks(); // ping, content_block_stop, and what a later version adds
}

AnthropicStream::Chunks AnthropicStream::begin(const json_t* message) {
    id_ = text_of(message, "id");
    model_ = text_of(message, "model");
    created_ = now_ms() / 1000;
    const json_t* usage = json_object_get(message, "usage");
    prompt_tokens_ = prompt_tokens(usage);
    cached_tokens_ = cached_tokens(usage);
    return {{delta_chunk(R"("role":"assistant","content":"")")}};
}

AnthropicStream::Chunks AnthropicStream::begin_block(const json_t* block) {
    if (text_of(block, "type") != "tool_use") return {};
    const std::string call = tool_call_json(tool_calls_++, block, "");
    return {{delta_chunk(fmt::format(R"("tool_calls":[{}])", call))}};
}

AnthropicStream::Chunks AnthropicStream::go_on(const json_t* delta) {
    const std::string_view type = text_of(delta, "type");
    if (type == "text_delta")
        return {{delta_chunk(fmt::format(R"("content":{})", json_string(text_of(delta, "text"))))}};
    if (type == "thinking_delta")
        return {
            {delta_chunk(fmt::format(R"("reasoning_content":{})", json_string(text_of(delta, "thinking"))))}};
    if (type == "input_json_delta" && tool_calls_ > 0) {
        return {{delta_chunk(fmt::format(R"("tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}])",
                                         tool_calls_ - 1, json_string(text_of(delta, "partial_json"))))}};
    }
    return {}; // signatures, citations
}

AnthropicStream::Chunks AnthropicStream::end(const json_t* root) {
    const std::string_view reason = finish_reason(text_of(json_object_get(root, "delta"), "stop_reason"));
    const json_t* usage = json_object_get(root, "usage");
    // Later counts are of the whole message so far.
    prompt_tokens_ = std::max(prompt_tokens_, prompt_tokens(usage));
    cached_tokens_ = std::max(cached_tokens_, cached_tokens(usage));
    const std::string total = usage_json(prompt_tokens_, cached_tokens_, count_of(usage, "output_tokens"));
    return {{chunk(fmt::format(R"({{"index":0,"delta":{{}},"finish_reason":"{}"}})", reason)),
             chunk("", fmt::format(R"(,"usage":{})", total))}};
}

Result<AnthropicStream::Chunks> AnthropicStream::report(const json_t* error) {
    const std::string_view type = text_of(error, "type");
    if (type == "overloaded_error" || type == "rate_limit_error")
        return fail(503, "The model endpoint is busy, try again later", 1);
    return fail(502, "The model endpoint reported an error in its answer");
}

} // namespace npcchat
