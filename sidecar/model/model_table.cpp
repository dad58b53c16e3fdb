#include "model/model_table.hpp"

#include "model/models_file.hpp"

#include <algorithm>
#include <array>

namespace npcchat {
namespace {

// Of the built-in models; and of those that only MODEL_NAME names, whose real one is not known.
constexpr std::size_t kBuiltInContext = 128'000;
constexpr std::size_t kUnknownContext = 32'768;
constexpr std::size_t kMaxAnswerTokens = 4096;

struct Provider {
    std::string base_url;
    std::string api_key;
};

constexpr std::array kOpenAiModels = {"gpt-4o-mini", "gpt-4o"};
constexpr std::array kNebiusModels = {"meta-llama/Meta-Llama-3.1-405B-Instruct",
                                      "meta-llama/Meta-Llama-3.1-70B-Instruct",
                                      "meta-llama/Meta-Llama-3.1-8B-Instruct"};

std::string without_trailing_slash(std::string url) {
    while (url.ends_with('/'))
        url.pop_back();
    return url;
}

// Configured by a key or a base URL.
std::optional<Provider> provider_of(const Environment& environment, const char* key_name,
                                    const char* url_name, const char* default_url) {
    const auto key = environment(key_name);
    const auto url = environment(url_name);
    if (!key && !url) return std::nullopt;
    return Provider{without_trailing_slash(url.value_or(default_url)), key.value_or("")};
}

Model model_at(const Provider& provider, std::string name, std::size_t context,
               const HttpTimeouts& timeouts) {
    ModelTarget target;
    target.base_url = provider.base_url;
    target.api_key = provider.api_key;
    target.upstream_name = name;
    target.timeouts = timeouts;
    Model model;
    model.name = std::move(name);
    model.context_tokens = context;
    model.targets.push_back(std::move(target));
    return model;
}

// The state of the same model's target at the same place, else a new one.
std::shared_ptr<TargetState> state_of(const Model* old, const ModelTarget& target) {
    for (std::size_t i = 0; old && i < old->targets.size(); ++i) {
        const ModelTarget& other = old->targets[i];
        if (other.base_url == target.base_url && other.upstream_name == target.upstream_name &&
            other.wire == target.wire) {
            return old->pool->targets()[i].state;
        }
    }
    return std::make_shared<TargetState>();
}

// Null where there is none.
const Model* model_of(const ModelTable* table, const std::string& name) {
    if (!table) return nullptr;
    const auto found = std::ranges::find(table->all(), name, &Model::name);
    return found == table->all().end() ? nullptr : &*found;
}

std::vector<Model> built_in_models(const std::optional<Provider>& openai,
                                   const std::optional<Provider>& nebius, const HttpTimeouts& timeouts) {
    std::vector<Model> models;
    for (const char* name : kOpenAiModels) {
        if (openai) models.push_back(model_at(*openai, name, kBuiltInContext, timeouts));
    }
    for (const char* name : kNebiusModels) {
        if (nebius) models.push_back(model_at(*nebius, name, kBuiltInContext, timeouts));
    }
    return models;
}

} // namespace

std::size_t answer_tokens(const Model& model) {
    return std::min(kMaxAnswerTokens, model.context_tokens / 4);
}

std::expected<ModelTablePtr, std::string> ModelTable::from_environment(const Environment& environment,
                                                                       const HttpTimeouts& defaults,
                                                                       const ModelTable* old) {
    const auto openai =
        provider_of(environment, "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1");
    const auto nebius =
        provider_of(environment, "NEBIUS_API_KEY", "NEBIUS_BASE_URL", "https://api.studio.nebius.ai/v1");
    const auto table = std::make_shared<ModelTable>();
    if (const auto path = environment("MODELS_FILE")) {
        auto models = read_models_file(*path, environment, defaults);
        if (!models) return std::unexpected("MODELS_FILE: " + models.error());
        table->models_ = std::move(*models);
    } else {
        table->models_ = built_in_models(openai, nebius, defaults);
    }
    if (const auto name = environment("MODEL_NAME")) {
        if (!table->find(*name)) {
            const auto& provider = name->contains('/') && nebius ? nebius : openai;
            if (!provider) {
                return std::unexpected("MODEL_NAME: no model of this name, and no endpoint to add it at: set "
                                       "OPENAI_API_KEY or OPENAI_BASE_URL, or name a model of the table");
            }
            table->models_.push_back(model_at(*provider, *name, kUnknownContext, defaults));
        }
        table->default_ = static_cast<std::size_t>(table->find(*name) - table->models_.data());
    }
    table->link_fallbacks();
    table->make_pools(old);
    return table;
}

void ModelTable::link_fallbacks() {
    for (Model& model : models_) {
        for (const std::string& name : model.fallback_names)
            model.fallbacks.push_back(model_of(this, name));
    }
}

void ModelTable::make_pools(const ModelTable* old) {
    for (Model& model : models_) {
        const Model* before = model_of(old, model.name);
        std::vector<TargetPool::Target> targets;
        for (const ModelTarget& target : model.targets)
            targets.push_back({target.weight, target.concurrency, state_of(before, target)});
        model.pool = std::make_shared<TargetPool>(std::move(targets));
    }
}

const Model* ModelTable::find(std::string_view name) const {
    if (name.empty()) return default_model();
    const auto found = std::ranges::find(models_, name, &Model::name);
    return found == models_.end() ? nullptr : &*found;
}

const Model* ModelTable::default_model() const {
    return models_.empty() ? nullptr : &models_[default_];
}

} // namespace npcchat
