#include "model/model_client.hpp"

#include "base/json_walk.hpp"
#include "chat/tokens.hpp"
#include "model/waiting.hpp"

#include <random>

namespace npcchat {
namespace {

constexpr std::string_view kCompletions = "/chat/completions";
constexpr std::string_view kEmbeddings = "/embeddings";
constexpr std::string_view kMessages = "/messages";

double random_fraction() {
    thread_local std::minstd_rand source{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(source);
}

std::vector<std::string> headers_for(const ModelTarget& target) {
    std::vector<std::string> headers = {"Content-Type: application/json"};
    if (target.wire == Wire::anthropic) {
        headers.push_back("anthropic-version: " + std::string(kAnthropicVersion));
        if (!target.api_key.empty()) headers.push_back("x-api-key: " + target.api_key);
    } else if (!target.api_key.empty()) {
        headers.push_back("Authorization: Bearer " + target.api_key);
    }
    return headers;
}

// The time that is left for the whole call bounds that of each attempt.
HttpTimeouts timeouts_until(Clock::time_point deadline, HttpTimeouts timeouts) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    timeouts.whole = std::clamp(left, std::chrono::milliseconds(1), timeouts.whole);
    return timeouts;
}

std::string_view completions_path(const ModelTarget& target) {
    return target.wire == Wire::anthropic ? kMessages : kCompletions;
}

// In the words of the target's API.
Tried<HttpRequest> upstream_request(const Attempts::Ask& ask, std::string_view path,
                                    const CompletionRequest& request, bool streamed) {
    const ModelTarget& target = *ask.target;
    HttpRequest upstream;
    upstream.url = target.base_url;
    upstream.url += path;
    upstream.headers = headers_for(target);
    if (target.wire == Wire::openai) {
        upstream.body = completion_body(target.upstream_name, request, streamed);
        return upstream;
    }
    auto body = anthropic_request(target.upstream_name, request.members, streamed,
                                  static_cast<std::int64_t>(answer_tokens(*ask.model)));
    if (!body) return std::unexpected(CallError{std::move(body.error()), std::nullopt});
    upstream.body = std::move(*body);
    return upstream;
}

// What the client is told where nobody has answered: that it was busy, where that is so, with the shortest
// wait; else what failed last.
class LastWord {
  public:
    void heard(const Error& error) {
        const bool shorter =
            error.retry_after > 0 && (error_.retry_after == 0 || error.retry_after < error_.retry_after);
        if (error_.status != 503 || (error.status == 503 && shorter)) error_ = error;
    }
    std::unexpected<Error> said() const { return std::unexpected(error_); }

  private:
    Error error_{504, "The model endpoint did not answer in time", 0, {}};
};

std::unexpected<Error> all_full() {
    return fail(503, "The model is answering as many as it may, try again later", 1);
}

// When who waits for a place gives up: as late as who waits for a first token.
Clock::time_point end_of_queue(const Model& model, Clock::time_point begun, Clock::time_point deadline) {
    return std::min(begun + model.targets.front().timeouts.first_byte, deadline);
}

void keep_place(ModelStream& stream, Attempts::Ask& ask) {
    stream.belongs_to(ask.model->name, std::move(ask.call));
}

// An answer that is whole keeps no place.
template <class Answer> void keep_place(Answer& answer, Attempts::Ask& ask) {
    answer.model = ask.model->name;
}

} // namespace

template <class T>
Task<Result<T>> ModelClient::ask(const Model& model, const CompletionRequest& request,
                                 Cancellation* cancellation, Once<T> once) {
    const auto begun = Clock::now();
    Attempts attempts(model, begun);
    LastWord last_word;
    for (;;) {
        auto step = attempts.next(Clock::now(), random_fraction());
        if (auto* ask = std::get_if<Attempts::Ask>(&step)) {
            auto tried = co_await (this->*once)(*ask, Order{request, cancellation, attempts.deadline()});
            if (tried) {
                ask->call.answered(Clock::now());
                keep_place(*tried, *ask);
                co_return std::move(*tried);
            }
            CallError& failed = tried.error();
            if (!failed.failure) co_return std::unexpected(std::move(failed.error));
            ask->call.failed(*failed.failure, failed.retry_after, Clock::now());
            attempts.failed(*failed.failure, failed.retry_after);
            last_word.heard(failed.error);
        } else if (auto* wait = std::get_if<Attempts::Wait>(&step)) {
            co_await wait_for(wait->time, cancellation);
        } else if (auto* queue = std::get_if<Attempts::Queue>(&step)) {
            const auto until = end_of_queue(model, begun, attempts.deadline());
            if (Clock::now() >= until) co_return all_full();
            co_await wait_for_place(queue->model->pool->queue(), until, cancellation);
        } else {
            co_return last_word.said();
        }
        if (cancellation && cancellation->requested())
            co_return std::unexpected(endpoint_failed(HttpFailure::cancelled));
    }
}

Task<Tried<std::string>> ModelClient::post(const Attempts::Ask& ask, std::string_view path, Order order) {
    auto upstream = upstream_request(ask, path, order.request, false);
    if (!upstream) co_return std::unexpected(std::move(upstream.error()));
    upstream->timeouts = timeouts_until(order.deadline, ask.target->timeouts);
    upstream->cancellation = order.cancellation;
    auto response = co_await http_.post(std::move(*upstream));
    if (!response) co_return std::unexpected(call_failed(response.error()));
    if (response->status < 200 || response->status > 299)
        co_return std::unexpected(call_refused(response->status, response->retry_after));
    if (ask.target->wire == Wire::openai) co_return std::move(response->body);
    auto translated = completion_of_anthropic(response->body);
    if (!translated) co_return std::unexpected(call_unusable(std::move(translated.error())));
    co_return std::move(*translated);
}

Task<Tried<Completion>> ModelClient::complete_once(const Attempts::Ask& ask, Order order) {
    const auto body = co_await post(ask, completions_path(*ask.target), order);
    if (!body) co_return std::unexpected(body.error());
    auto completion = parse_completion(*body);
    if (!completion) co_return std::unexpected(call_unusable(std::move(completion.error())));
    Usage& usage = completion->usage;
    if (usage.prompt_tokens == 0) usage.prompt_tokens = order.request.prompt_estimate;
    if (usage.completion_tokens == 0)
        usage.completion_tokens = static_cast<std::int64_t>(estimate_tokens(completion->text));
    co_return std::move(*completion);
}

Task<Tried<RawAnswer>> ModelClient::complete_raw_once(const Attempts::Ask& ask, Order order) {
    auto body = co_await post(ask, completions_path(*ask.target), order);
    if (!body) co_return std::unexpected(std::move(body.error()));
    const std::string_view choices = find_json_member(*body, "choices");
    if (!choices.starts_with('[')) co_return std::unexpected(call_unusable(malformed_answer().error()));
    Usage usage = parse_usage(*body);
    if (usage.prompt_tokens == 0) usage.prompt_tokens = order.request.prompt_estimate;
    if (usage.completion_tokens == 0)
        usage.completion_tokens = static_cast<std::int64_t>(estimate_tokens(choices));
    co_return RawAnswer{std::move(*body), usage, {}};
}

Task<Tried<ModelStream>> ModelClient::stream_once(const Attempts::Ask& ask, Order order) {
    auto upstream = upstream_request(ask, completions_path(*ask.target), order.request, true);
    if (!upstream) co_return std::unexpected(std::move(upstream.error()));
    upstream->timeouts = timeouts_until(order.deadline, ask.target->timeouts);
    upstream->cancellation = order.cancellation;
    ModelStream stream(http_.open(std::move(*upstream)), *ask.target, Clock::now(),
                       order.request.prompt_estimate);
    auto begun = co_await stream.begin();
    if (!begun) co_return std::unexpected(std::move(begun.error()));
    co_return std::move(stream);
}

Task<Tried<RawAnswer>> ModelClient::embed_once(const Attempts::Ask& ask, Order order) {
    if (ask.target->wire == Wire::anthropic) {
        co_return std::unexpected(CallError{Error{422, "model: this one gives no embeddings", 0, {}},
                                            CallFailure::refused_request});
    }
    auto body = co_await post(ask, kEmbeddings, order);
    if (!body) co_return std::unexpected(std::move(body.error()));
    if (!find_json_member(*body, "data").starts_with('['))
        co_return std::unexpected(call_unusable(malformed_answer().error()));
    Usage usage = parse_usage(*body);
    if (usage.prompt_tokens == 0) usage.prompt_tokens = order.request.prompt_estimate;
    co_return RawAnswer{std::move(*body), usage, {}};
}

Task<Result<Completion>> ModelClient::complete(const Model& model, const CompletionRequest& request,
                                               Cancellation* cancellation) {
    return ask<Completion>(model, request, cancellation, &ModelClient::complete_once);
}

Task<Result<RawAnswer>> ModelClient::complete_raw(const Model& model, const CompletionRequest& request,
                                                  Cancellation* cancellation) {
    return ask<RawAnswer>(model, request, cancellation, &ModelClient::complete_raw_once);
}

Task<Result<ModelStream>> ModelClient::stream(const Model& model, const CompletionRequest& request,
                                              Cancellation* cancellation) {
    return ask<ModelStream>(model, request, cancellation, &ModelClient::stream_once);
}

Task<Result<RawAnswer>> ModelClient::embed(const Model& model, const CompletionRequest& request,
                                           Cancellation* cancellation) {
    return ask<RawAnswer>(model, request, cancellation, &ModelClient::embed_once);
}

} // namespace npcchat
