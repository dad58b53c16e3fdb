#include "model/model_client.hpp"

#include "base/json.hpp"
#include "chat/tokens.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr int kMaxRetryAfter = 3600; // seconds that we pass on

Error endpoint_failed(HttpFailure failure) {
    switch (failure) {
    case HttpFailure::timed_out:
        return {504, "The model endpoint did not answer in time", 0, {}};
    case HttpFailure::unreachable:
        return {502, "The model endpoint cannot be reached", 0, {}};
    case HttpFailure::too_large:
        return {502, "The model endpoint's answer is too large", 0, {}};
    case HttpFailure::broken:
        break;
    }
    return {502, "The model endpoint broke off its answer", 0, {}};
}

std::unexpected<Error> malformed() {
    return fail(502, "The model endpoint gave a malformed answer");
}

std::int64_t usage_of(const json_t* root, const char* field) {
    const std::int64_t count = json_integer_value(json_object_get(json_object_get(root, "usage"), field));
    return std::max<std::int64_t>(count, 0);
}

} // namespace

std::string completion_request(const std::string& upstream_name, const std::vector<ChatMessage>& messages) {
    std::size_t size = 64;
    for (const ChatMessage& message : messages)
        size += message.content.size() + message.content.size() / 16 + 40;
    std::string body;
    body.reserve(size);
    body += R"({"model":)";
    append_json_string(body, upstream_name);
    body += R"(,"messages":[)";
    for (const ChatMessage& message : messages) {
        body += R"({"role":)";
        append_json_string(body, message.role);
        body += R"(,"content":)";
        append_json_string(body, message.content);
        body += "},";
    }
    if (!messages.empty()) body.pop_back();
    body += "]}";
    return body;
}

Result<Completion> parse_completion(const HttpResponse& response) {
    if (response.status == 429) {
        const int wait = std::clamp(response.retry_after, 1, kMaxRetryAfter);
        return fail(503, "The model endpoint is busy, try again later", wait);
    }
    if (response.status < 200 || response.status > 299) {
        return fail(502, fmt::format("The model endpoint answered with status {}", response.status));
    }
    const auto root = parse_json(response.body);
    if (!root) return malformed();
    const json_t* choice = json_array_get(json_object_get(root->get(), "choices"), 0);
    const json_t* content = json_object_get(json_object_get(choice, "message"), "content");
    if (!choice) return malformed();
    if (!json_is_string(content) || json_string_length(content) == 0) {
        return fail(502, "The model endpoint gave an empty answer");
    }
    return Completion{std::string(json_string_value(content), json_string_length(content)),
                      usage_of(root->get(), "prompt_tokens"), usage_of(root->get(), "completion_tokens")};
}

Task<Result<Completion>> ModelClient::complete(const Model& model, const std::vector<ChatMessage>& messages) {
    HttpRequest request;
    request.url = model.target.base_url + "/chat/completions";
    request.headers = {"Content-Type: application/json", "Accept: application/json"};
    if (!model.target.api_key.empty())
        request.headers.push_back("Authorization: Bearer " + model.target.api_key);
    request.body = completion_request(model.target.upstream_name, messages);
    request.timeouts = model.target.timeouts;
    auto response = co_await http_.post(std::move(request));
    if (!response) co_return std::unexpected(endpoint_failed(response.error()));
    auto completion = parse_completion(*response);
    if (completion && completion->prompt_tokens == 0) {
        for (const ChatMessage& message : messages) {
            completion->prompt_tokens +=
                static_cast<std::int64_t>(estimate_tokens(message.content) + kMessageTokens);
        }
    }
    if (completion && completion->completion_tokens == 0) {
        completion->completion_tokens = static_cast<std::int64_t>(estimate_tokens(completion->text));
    }
    co_return completion;
}

} // namespace npcchat
