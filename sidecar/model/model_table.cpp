#include "model/model_table.hpp"

#include "model/models_file.hpp"

#include <algorithm>
#include <array>

namespace npcchat {
namespace {

// Of the built-in models; and of those that only MODEL_NAME names, whose real one is not known.
constexpr std::size_t kBuiltInContext = 128'000;
constexpr std::size_t kUnknownContext = 32'768;

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
    return Model{name, {}, context, ModelTarget{provider.base_url, provider.api_key, name, timeouts}};
}

} // namespace

std::expected<ModelTable, std::string> ModelTable::from_environment(const Environment& environment,
                                                                    const HttpTimeouts& defaults) {
    ModelTable table;
    const auto openai =
        provider_of(environment, "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1");
    const auto nebius =
        provider_of(environment, "NEBIUS_API_KEY", "NEBIUS_BASE_URL", "https://api.studio.nebius.ai/v1");
    if (const auto path = environment("MODELS_FILE")) {
        auto models = read_models_file(*path, environment, defaults);
        if (!models) return std::unexpected("MODELS_FILE: " + models.error());
        table.models_ = std::move(*models);
    } else {
        for (const char* name : kOpenAiModels) {
            if (openai) table.models_.push_back(model_at(*openai, name, kBuiltInContext, defaults));
        }
        for (const char* name : kNebiusModels) {
            if (nebius) table.models_.push_back(model_at(*nebius, name, kBuiltInContext, defaults));
        }
    }
    if (const auto name = environment("MODEL_NAME")) {
        if (!table.find(*name)) {
            const auto& provider = name->contains('/') && nebius ? nebius : openai;
            if (!provider) {
                return std::unexpected("MODEL_NAME: no model of this name, and no endpoint to add it at: set "
                                       "OPENAI_API_KEY or OPENAI_BASE_URL, or name a model of the table");
            }
            table.models_.push_back(model_at(*provider, *name, kUnknownContext, defaults));
        }
        table.default_ = static_cast<std::size_t>(table.find(*name) - table.models_.data());
    }
    return table;
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
