#include "chat/model_call.hpp"

#include <algorithm>

namespace npcchat {
Result<ModelPtr> find_model(const Services& services, const std::string& name) {
    if (const Model* model = services.table->find(name)) return ModelPtr(services.table, model);
    if (name.empty())
        return fail(404, "No model is configured: set OPENAI_API_KEY, OPENAI_BASE_URL or MODELS_FILE");
    return fail(404, "Unknown model");
}

Task<Result<ModelPtr>> find_model_for(Services& services, UserId user_id, const RequestPlan& plan,
                                      const std::string& name) {
    if (plan.models_digest.empty()) co_return find_model(services, name);
    const auto allowed =
        co_await services.shared.plan_models.find(services.catalog, user_id, plan.models_digest);
    if (!allowed) co_return std::unexpected(allowed.error());
    const std::vector<std::string>& names = **allowed;
    const auto is_allowed = [&names](const std::string& one) {
        return names.empty() || std::ranges::find(names, one) != names.end();
    };
    auto model = find_model(services, name);
    if (!model || is_allowed((*model)->name)) co_return model;
    if (!name.empty()) co_return fail(403, "This model is not in your plan");
    for (const std::string& one : names) {
        model = find_model(services, one);
        if (model) break;
    }
    co_return model;
}

Budget budget_for(const Services& services, const Model& model) {
    return Budget{model.context_tokens, answer_tokens(model), services.config.history_tokens};
}

Usage used_before_an_answer(const Error& error, const CompletionRequest& request) {
    if (error.status != kClientLeft) return {};
    return Usage{request.prompt_estimate, 0};
}

void CountedCall::succeeded(const std::string& model, const Usage& used) {
    end(model, used);
}

void CountedCall::failed(const std::string& model, const Error& error, const Usage& used) {
    if (error.status != kClientLeft) add(metrics_.model_failures);
    end(model, used);
}

void CountedCall::end(const std::string& model, const Usage& used) {
    add(metrics_.model_calls);
    add(metrics_.tokens_in, used.prompt_tokens);
    add(metrics_.tokens_out, used.completion_tokens);
    metrics_.model_duration.observe(std::chrono::duration<double>(Clock::now() - begun_).count());
    spending_.used(model, used);
}

Task<Result<Completion>> call_model(Services& services, Spending& spending, const Model& model,
                                    const CompletionRequest& request, Cancellation* cancellation) {
    CountedCall call(services.metrics, spending);
    auto completion = co_await services.models.complete(model, request, cancellation);
    if (completion)
        call.succeeded(completion->model, completion->usage);
    else
        call.failed(model.name, completion.error(), used_before_an_answer(completion.error(), request));
    co_return completion;
}

} // namespace npcchat
