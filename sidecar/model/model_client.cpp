#include "model/model_client.hpp"

#include "base/json_walk.hpp"
#include "chat/tokens.hpp"

namespace npcchat {
namespace {

HttpRequest request_to(const ModelTarget& target, std::string_view path, std::string body,
                       Cancellation* cancellation) {
    HttpRequest request;
    request.url = target.base_url;
    request.url += path;
    request.headers = {"Content-Type: application/json", "Accept: application/json"};
    if (!target.api_key.empty()) request.headers.push_back("Authorization: Bearer " + target.api_key);
    request.body = std::move(body);
    request.timeouts = target.timeouts;
    request.cancellation = cancellation;
    return request;
}

constexpr std::string_view kCompletions = "/chat/completions";
constexpr std::string_view kEmbeddings = "/embeddings";

} // namespace

Task<Result<std::string>> ModelClient::post(const Model& model, std::string_view path,
                                            const CompletionRequest& request, Cancellation* cancellation) {
    const ModelTarget& target = model.target;
    auto upstream =
        request_to(target, path, completion_body(target.upstream_name, request, false), cancellation);
    auto response = co_await http_.post(std::move(upstream));
    if (!response) co_return std::unexpected(endpoint_failed(response.error()));
    if (response->status < 200 || response->status > 299)
        co_return std::unexpected(refusal(response->status, response->retry_after));
    co_return std::move(response->body);
}

Task<Result<Completion>> ModelClient::complete(const Model& model, const CompletionRequest& request,
                                               Cancellation* cancellation) {
    const auto body = co_await post(model, kCompletions, request, cancellation);
    if (!body) co_return std::unexpected(body.error());
    auto completion = parse_completion(*body);
    if (!completion) co_return completion;
    Usage& usage = completion->usage;
    if (usage.prompt_tokens == 0) usage.prompt_tokens = request.prompt_estimate;
    if (usage.completion_tokens == 0)
        usage.completion_tokens = static_cast<std::int64_t>(estimate_tokens(completion->text));
    co_return completion;
}

Task<Result<RawAnswer>> ModelClient::complete_raw(const Model& model, const CompletionRequest& request,
                                                  Cancellation* cancellation) {
    auto body = co_await post(model, kCompletions, request, cancellation);
    if (!body) co_return std::unexpected(std::move(body.error()));
    const std::string_view choices = find_json_member(*body, "choices");
    if (!choices.starts_with('[')) co_return malformed_answer();
    Usage usage = parse_usage(*body);
    if (usage.prompt_tokens == 0) usage.prompt_tokens = request.prompt_estimate;
    if (usage.completion_tokens == 0)
        usage.completion_tokens = static_cast<std::int64_t>(estimate_tokens(choices));
    co_return RawAnswer{std::move(*body), usage};
}

Task<Result<ModelStream>> ModelClient::stream(const Model& model, const CompletionRequest& request,
                                              Cancellation* cancellation) {
    const ModelTarget& target = model.target;
    auto upstream =
        request_to(target, kCompletions, completion_body(target.upstream_name, request, true), cancellation);
    ModelStream stream(http_.open(std::move(upstream)), Clock::now() + target.timeouts.first_byte,
                       request.prompt_estimate);
    auto begun = co_await stream.begin();
    if (!begun) co_return std::unexpected(std::move(begun.error()));
    co_return std::move(stream);
}

Task<Result<RawAnswer>> ModelClient::embed(const Model& model, const CompletionRequest& request,
                                           Cancellation* cancellation) {
    auto body = co_await post(model, kEmbeddings, request, cancellation);
    if (!body) co_return std::unexpected(std::move(body.error()));
    if (!find_json_member(*body, "data").starts_with('[')) co_return malformed_answer();
    Usage usage = parse_usage(*body);
    if (usage.prompt_tokens == 0) usage.prompt_tokens = request.prompt_estimate;
    co_return RawAnswer{std::move(*body), usage};
}

} // namespace npcchat
