#include "chat/model_call.hpp"

namespace npcchat {
Result<ModelPtr> find_model(const Services& services, const std::string& name) {
    if (const Model* model = services.table->find(name)) return ModelPtr(services.table, model);
    if (name.empty())
        return fail(404, "No model is configured: set OPENAI_API_KEY, OPENAI_BASE_URL or MODELS_FILE");
    return fail(404, "Unknown model");
}

Budget budget_for(const Services& services, const Model& model) {
    return Budget{model.context_tokens, answer_tokens(model), services.config.history_tokens};
}

Usage used_before_an_answer(const Error& error, const CompletionRequest& request) {
    if (error.status != kClientLeft && error.status != 504) return {};
    return Usage{request.prompt_estimate, 0};
}

void CountedCall::succeeded(const Usage& used) {
    end(used);
}

void CountedCall::failed(const Error& error, const Usage& used) {
    if (error.status != kClientLeft) add(metrics_.model_failures);
    end(used);
}

void CountedCall::end(const Usage& used) {
    add(metrics_.model_calls);
    add(metrics_.tokens_in, used.prompt_tokens);
    add(metrics_.tokens_out, used.completion_tokens);
    metrics_.model_duration.observe(std::chrono::duration<double>(Clock::now() - begun_).count());
}

Task<Result<Completion>> call_model(Services& services, const Model& model, const CompletionRequest& request,
                                    Cancellation* cancellation) {
    CountedCall call(services.metrics);
    auto completion = co_await services.models.complete(model, request, cancellation);
    if (completion)
        call.succeeded(completion->usage);
    else
        call.failed(completion.error(), used_before_an_answer(completion.error(), request));
    co_return completion;
}

} // namespace npcchat
