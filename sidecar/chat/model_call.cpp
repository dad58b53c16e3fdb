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
    end(model, used, 0);
}

void CountedCall::failed(const std::string& model, const Error& error, const Usage& used) {
    if (error.status != kClientLeft) add(services_.metrics.model_failures);
    end(model, used, error.status);
}

void CountedCall::end(const std::string& model, const Usage& used, int status) {
    Metrics& metrics = services_.metrics;
    add(metrics.model_calls);
    add(metrics.tokens_in, used.prompt_tokens);
    add(metrics.tokens_out, used.completion_tokens);
    const auto seconds = [](Clock::duration time) { return std::chrono::duration<double>(time).count(); };
    const auto now = Clock::now();
    ModelMetrics::Call call{seconds(now - begun_), {}, {}, used.prompt_tokens, used.completion_tokens};
    if (first_token_at_) {
        call.to_first_token = seconds(*first_token_at_ - begun_);
        if (used.completion_tokens > 1) {
            call.per_output_token =
                seconds(now - *first_token_at_) / static_cast<double>(used.completion_tokens - 1);
        }
    }
    metrics.models.observe(operation_, model, call);
    spending_.used(model, used);
    if (spending_.trace()) trace(model, used, status);
}

// Under OpenTelemetry's names for generative AI:
// https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
void CountedCall::trace(const std::string& model, const Usage& used, int status) const {
    const std::string operation(name_of(operation_));
    Span span{*spending_.trace(), new_span_id(), operation + ' ' + model, SpanKind::client, begun_};
    span.attributes = {{"gen_ai.operation.name", operation},
                       {"gen_ai.request.model", model},
                       {"gen_ai.usage.input_tokens", used.prompt_tokens},
                       {"gen_ai.usage.output_tokens", used.completion_tokens}};
    if (status != 0) span.attributes.emplace_back("error.type", std::to_string(status));
    span.failed = status != 0 && status != kClientLeft;
    services_.traces.record(std::move(span));
}

Task<Result<Completion>> call_model(Services& services, Spending& spending, const Model& model,
                                    const CompletionRequest& request, Cancellation* cancellation) {
    CountedCall call(services, spending);
    auto completion = co_await services.models.complete(model, request, cancellation);
    if (completion)
        call.succeeded(completion->model, completion->usage);
    else
        call.failed(model.name, completion.error(), used_before_an_answer(completion.error(), request));
    co_return completion;
}

} // namespace npcchat
