#include "chat/model_call.hpp"

#include <algorithm>

namespace npcchat {
namespace {

constexpr std::size_t kMaxAnswerTokens = 4096;

} // namespace

Result<const Model*> find_model(const Services& services, const std::string& name) {
    const Model* model = services.config.models.find(name);
    if (model) return model;
    if (name.empty())
        return fail(404, "No model is configured: set OPENAI_API_KEY, OPENAI_BASE_URL or MODELS_FILE");
    return fail(404, "Unknown model");
}

Budget budget_for(const Services& services, const Model& model) {
    return Budget{model.context_tokens, std::min(kMaxAnswerTokens, model.context_tokens / 4),
                  services.config.history_tokens};
}

Task<Result<Completion>> call_model(Services& services, const Model& model,
                                    const std::vector<ChatMessage>& prompt) {
    const auto begun = Clock::now();
    auto completion = co_await services.models.complete(model, prompt);
    Metrics& metrics = services.metrics;
    add(metrics.model_calls);
    metrics.model_duration.observe(std::chrono::duration<double>(Clock::now() - begun).count());
    if (completion) {
        add(metrics.tokens_in, completion->prompt_tokens);
        add(metrics.tokens_out, completion->completion_tokens);
    } else {
        add(metrics.model_failures);
    }
    co_return completion;
}

} // namespace npcchat
