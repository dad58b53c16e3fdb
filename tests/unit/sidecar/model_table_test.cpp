#include "model/model_table.hpp"

#include <gtest/gtest.h>
#include <map>
#include <string>

namespace npcchat {
namespace {

using Variables = std::map<std::string, std::string>;

std::expected<ModelTablePtr, std::string> table_of(const Variables& variables,
                                                   const ModelTable* old = nullptr) {
    return ModelTable::from_environment(
        [&variables](const char* name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        },
        HttpTimeouts{}, old);
}

std::vector<std::string> names_of(const Variables& variables) {
    std::vector<std::string> names;
    const auto table = table_of(variables);
    if (!table) return {table.error()};
    for (const Model& model : (*table)->all())
        names.push_back(model.name);
    return names;
}

const std::vector<std::string> kOpenAi = {"gpt-4o-mini", "gpt-4o"};
const std::vector<std::string> kNebius = {"meta-llama/Meta-Llama-3.1-405B-Instruct",
                                          "meta-llama/Meta-Llama-3.1-70B-Instruct",
                                          "meta-llama/Meta-Llama-3.1-8B-Instruct"};

TEST(ModelTable, ListsConfiguredProvidersOnly) {
    EXPECT_EQ(names_of({}), std::vector<std::string>{});
    EXPECT_EQ(names_of({{"OPENAI_API_KEY", "k"}}), kOpenAi);
    EXPECT_EQ(names_of({{"OPENAI_BASE_URL", "http://127.0.0.1:1/v1"}}), kOpenAi);
    EXPECT_EQ(names_of({{"NEBIUS_API_KEY", "k"}}), kNebius);
    EXPECT_EQ(names_of({{"NEBIUS_BASE_URL", "http://127.0.0.1:1/v1"}}), kNebius);
    std::vector<std::string> both = kOpenAi;
    both.insert(both.end(), kNebius.begin(), kNebius.end());
    EXPECT_EQ(names_of({{"OPENAI_API_KEY", "k"}, {"NEBIUS_API_KEY", "k"}}), both);
}

TEST(ModelTable, IsEmptyWithoutProviders) {
    const auto table = table_of({}).value();
    EXPECT_EQ(table->default_model(), nullptr);
    EXPECT_EQ(table->find(""), nullptr);
    EXPECT_EQ(table->find("gpt-4o"), nullptr);
}

TEST(ModelTable, KnowsWhereEachIsServed) {
    const auto table = table_of({{"OPENAI_API_KEY", "open"}, {"NEBIUS_API_KEY", "neb"}}).value();
    const Model* openai = table->find("gpt-4o");
    ASSERT_NE(openai, nullptr);
    EXPECT_EQ(openai->targets[0].base_url, "https://api.openai.com/v1");
    EXPECT_EQ(openai->targets[0].api_key, "open");
    EXPECT_EQ(openai->targets[0].upstream_name, "gpt-4o");
    EXPECT_GE(openai->context_tokens, 100'000U);
    const Model* nebius = table->find("meta-llama/Meta-Llama-3.1-8B-Instruct");
    ASSERT_NE(nebius, nullptr);
    EXPECT_EQ(nebius->targets[0].base_url, "https://api.studio.nebius.ai/v1");
    EXPECT_EQ(nebius->targets[0].api_key, "neb");
}

TEST(ModelTable, TakesBaseUrls) {
    const auto table = table_of({{"OPENAI_BASE_URL", "http://127.0.0.1:8080/v1///"}}).value();
    EXPECT_EQ(table->find("gpt-4o")->targets[0].base_url, "http://127.0.0.1:8080/v1");
    EXPECT_EQ(table->find("gpt-4o")->targets[0].api_key, "");
}

TEST(ModelTable, TheFirstIsTheDefault) {
    const auto openai = table_of({{"OPENAI_API_KEY", "k"}, {"NEBIUS_API_KEY", "k"}}).value();
    ASSERT_NE(openai->default_model(), nullptr);
    EXPECT_EQ(openai->default_model()->name, "gpt-4o-mini");
    EXPECT_EQ(openai->find(""), openai->default_model());
    EXPECT_EQ((*table_of({{"NEBIUS_API_KEY", "k"}}))->default_model()->name, kNebius.front());
}

TEST(ModelTable, ModelNameIsTheDefault) {
    const auto table = table_of({{"OPENAI_API_KEY", "k"}, {"MODEL_NAME", "gpt-4o"}}).value();
    EXPECT_EQ(table->default_model()->name, "gpt-4o");
    EXPECT_EQ(table->all().size(), 2U);
}

TEST(ModelTable, AddsModelName) {
    const Variables both = {{"OPENAI_API_KEY", "open"}, {"NEBIUS_API_KEY", "neb"}};
    Variables variables = both;
    variables["MODEL_NAME"] = "Qwen/Qwen3-32B";
    const auto slash = table_of(variables).value();
    EXPECT_EQ(slash->default_model()->name, "Qwen/Qwen3-32B");
    EXPECT_EQ(slash->default_model()->targets[0].api_key, "neb");
    EXPECT_EQ(slash->default_model()->targets[0].upstream_name, "Qwen/Qwen3-32B");
    EXPECT_EQ(slash->all().size(), 6U);
    variables["MODEL_NAME"] = "gpt-9";
    EXPECT_EQ((*table_of(variables))->default_model()->targets[0].api_key, "open");
    const Variables without_nebius = {{"OPENAI_API_KEY", "open"}, {"MODEL_NAME", "Qwen/Qwen3-32B"}};
    EXPECT_EQ((*table_of(without_nebius))->default_model()->targets[0].api_key, "open");
}

TEST(ModelTable, RefusesAModelNameThatNobodyServes) {
    for (const Variables& variables :
         {Variables{{"MODEL_NAME", "gpt-9"}}, Variables{{"MODEL_NAME", "gpt-9"}, {"NEBIUS_API_KEY", "k"}}}) {
        const auto table = table_of(variables);
        ASSERT_FALSE(table.has_value());
        EXPECT_TRUE(table.error().starts_with("MODEL_NAME")) << table.error();
    }
}

TEST(ModelTable, KnowsNoOthers) {
    const auto table = table_of({{"OPENAI_API_KEY", "k"}}).value();
    for (const auto* name : {"gpt", "GPT-4o", "gpt-4o ", "meta-llama/Meta-Llama-3.1-8B-Instruct"})
        EXPECT_EQ(table->find(name), nullptr) << name;
}

TEST(ModelTable, BuiltInModelsHaveOneTargetAndNoPrice) {
    const auto table = table_of({{"OPENAI_API_KEY", "k"}, {"NEBIUS_API_KEY", "k"}}).value();
    for (const Model& model : table->all()) {
        EXPECT_EQ(model.targets.size(), 1U) << model.name;
        EXPECT_EQ(model.targets[0].wire, Wire::openai) << model.name;
        EXPECT_EQ(model.price.input + model.price.output, 0) << model.name;
        EXPECT_TRUE(model.fallbacks.empty()) << model.name;
        EXPECT_EQ(model.pool->targets().size(), 1U) << model.name;
    }
}

TEST(ModelTable, AReloadKeepsWhatIsKnownOfTargets) {
    const Variables variables = {{"OPENAI_API_KEY", "k"}};
    const auto old = table_of(variables).value();
    const auto table = table_of({{"OPENAI_API_KEY", "new"}, {"NEBIUS_API_KEY", "k"}}, old.get()).value();
    const auto state_of = [](const ModelTable& from, const char* name) {
        return from.find(name)->pool->targets()[0].state;
    };
    EXPECT_EQ(state_of(*table, "gpt-4o"), state_of(*old, "gpt-4o"));
    EXPECT_NE(state_of(*table, "gpt-4o"), state_of(*table, "gpt-4o-mini"));
    EXPECT_EQ(table->find("gpt-4o")->targets[0].api_key, "new");
    // At another place it is another target.
    const auto elsewhere = table_of({{"OPENAI_BASE_URL", "http://127.0.0.1:1/v1"}}, old.get()).value();
    EXPECT_NE(state_of(*elsewhere, "gpt-4o"), state_of(*old, "gpt-4o"));
}

TEST(ModelTable, NamesTheVariableOfAModelsFile) {
    const auto table = table_of({{"MODELS_FILE", "/nowhere/models.json"}});
    ASSERT_FALSE(table.has_value());
    EXPECT_TRUE(table.error().starts_with("MODELS_FILE")) << table.error();
    EXPECT_NE(table.error().find("/nowhere/models.json"), std::string::npos) << table.error();
}

} // namespace
} // namespace npcchat
