#include "model/openai_wire.hpp"

#include "base/json.hpp"
#include "base/json_walk.hpp"
#include "chat/tokens.hpp"
#include "model/retry.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr int kMaxRetryAfter = 3600; // seconds that we pass on

std::optional<Usage> read_usage(std::string_view value) {
    if (!value.starts_with('{')) return std::nullopt;
    return Usage{read_json_count(find_json_member(value, "prompt_tokens")),
                 read_json_count(find_json_member(value, "completion_tokens"))};
}

// `"role"` and an empty `"content"` say nothing yet.
void read_delta(std::string_view delta, Chunk& chunk) {
    JsonWalk members(delta);
    while (members.next()) {
        const std::string_view value = members.value();
        if (members.name() == "content" && value.starts_with('"') && chunk.text.empty()) chunk.text = value;
        const bool empty = value == "\"\"" || value == "null" || value == "[]";
        if (members.name() != "role" && !empty) chunk.says_something = true;
    }
}

void read_choice(std::string_view choice, Chunk& chunk) {
    JsonWalk members(choice);
    while (members.next()) {
        if (members.name() == "delta") {
            read_delta(members.value(), chunk);
        } else if (members.name() == "finish_reason" && members.value().starts_with('"')) {
            chunk.finish_reason = members.value();
            chunk.says_something = true;
        }
    }
}

void read_choices(std::string_view choices, Chunk& chunk) {
    JsonWalk elements(choices);
    bool any = false;
    while (elements.next()) {
        // Where there are several, each has chunks of its own; what says something counts for any of them.
        read_choice(elements.value(), chunk);
        any = true;
    }
    chunk.is_usage_alone = !any && !elements.failed();
}

} // namespace

CompletionRequest completion_request(const std::vector<ChatMessage>& messages) {
    CompletionRequest request;
    std::size_t size = 16;
    for (const ChatMessage& message : messages)
        size += message.content.size() + message.content.size() / 16 + 40;
    std::string& body = request.members;
    body.reserve(size);
    body += R"("messages":[)";
    for (const ChatMessage& message : messages) {
        body += R"({"role":)";
        append_json_string(body, message.role);
        body += R"(,"content":)";
        append_json_string(body, message.content);
        body += "},";
        request.prompt_estimate +=
            static_cast<std::int64_t>(estimate_tokens(message.content) + kMessageTokens);
    }
    if (!messages.empty()) body.pop_back();
    body += ']';
    return request;
}

std::string completion_body(std::string_view upstream_name, const CompletionRequest& request, bool streamed) {
    std::string body;
    body.reserve(request.members.size() + upstream_name.size() + request.stream_options.size() + 96);
    body += R"({"model":)";
    append_json_string(body, upstream_name);
    if (streamed) {
        body += R"(,"stream":true,"stream_options":{"include_usage":true)";
        if (!request.stream_options.empty()) body.append(",").append(request.stream_options);
        body += '}';
    }
    if (!request.members.empty()) body.append(",").append(request.members);
    body += '}';
    return body;
}

Result<Completion> parse_completion(std::string_view body) {
    JsonWalk members(body);
    std::string_view choices;
    std::optional<Usage> usage;
    if (!members.is_object()) return malformed_answer();
    while (members.next()) {
        if (members.name() == "choices") choices = members.value();
        if (members.name() == "usage") usage = read_usage(members.value());
    }
    JsonWalk elements(choices);
    if (members.failed() || elements.is_object() || !elements.next()) return malformed_answer();
    const std::string_view choice = elements.value();
    const std::string_view quoted = find_json_member(find_json_member(choice, "message"), "content");
    if (!quoted.starts_with('"') || quoted == R"("")") {
        return fail(502, "The model endpoint gave an empty answer");
    }
    auto content = read_json_string(quoted);
    if (!content) return malformed_answer();
    return Completion{std::move(*content),
                      read_json_string(find_json_member(choice, "finish_reason")).value_or("stop"),
                      usage.value_or(Usage())};
}

Usage parse_usage(std::string_view body) {
    return read_usage(find_json_member(body, "usage")).value_or(Usage());
}

Result<Chunk> parse_chunk(std::string_view data) {
    Chunk chunk;
    chunk.data = data;
    bool has_choices = false;
    JsonWalk members(data);
    if (!members.is_object()) return malformed_answer();
    while (members.next()) {
        if (members.name() == "choices") {
            has_choices = true;
            read_choices(members.value(), chunk);
        } else if (members.name() == "usage") {
            chunk.usage = read_usage(members.value());
        } else if (members.name() == "error" && members.value() != "null") {
            return fail(502, "The model endpoint reported an error in its answer");
        }
    }
    if (members.failed() || !has_choices) return malformed_answer();
    chunk.is_usage_alone = chunk.is_usage_alone && chunk.usage.has_value();
    return chunk;
}

Error refusal(int status, std::optional<std::chrono::seconds> retry_after) {
    if (failure_of_status(status) == CallFailure::busy) {
        const auto seconds = retry_after.value_or(std::chrono::seconds(1)).count();
        return {503,
                "The model endpoint is busy, try again later",
                static_cast<int>(std::clamp<std::int64_t>(seconds, 1, kMaxRetryAfter)),
                {}};
    }
    return {502, fmt::format("The model endpoint answered with status {}", status), 0, {}};
}

Error endpoint_failed(HttpFailure failure) {
    switch (failure) {
    case HttpFailure::timed_out:
        return {504, "The model endpoint did not answer in time", 0, {}};
    case HttpFailure::unreachable:
        return {502, "The model endpoint cannot be reached", 0, {}};
    case HttpFailure::too_large:
        return {502, "The model endpoint's answer is too large", 0, {}};
    case HttpFailure::cancelled:
        return {kClientLeft, "The client has left", 0, {}};
    case HttpFailure::broken:
        break;
    }
    return {502, "The model endpoint broke off its answer", 0, {}};
}

std::unexpected<Error> malformed_answer() {
    return fail(502, "The model endpoint gave a malformed answer");
}

} // namespace npcchat
