#include "model/models_file.hpp"

#include "base/json.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <unistd.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

HttpTimeouts defaults() {
    HttpTimeouts times;
    times.connect = 5s;
    times.first_byte = 60s;
    times.between_bytes = 40s;
    times.whole = 120s;
    return times;
}

std::optional<std::string> environment(const char* name) {
    if (std::string_view(name) == "SMITH_KEY") return "sk-smith";
    if (std::string_view(name) == "BROKEN_KEY") return "sk-smith\r\nX-Npcchat-Role: admin";
    return std::nullopt;
}

auto parse(const std::string& text) {
    return parse_models(text, environment, defaults());
}

// A file of one model, of which `fields` are the target's.
std::string with_target(const std::string& fields) {
    return R"({"models": [{"name": "smith", "targets": [{)" + fields + "}]}]}";
}

const std::string kUrl = R"("base_url": "http://127.0.0.1:1/v1")";

class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& text)
        : path_(std::filesystem::temp_directory_path() / ("npcchat-models-" + std::to_string(getpid()))) {
        std::ofstream(path_) << text;
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

// The cases that docs/models.schema.json is held against too (tests/models_file/test_schema.py).
Json shared_cases() {
    std::ifstream file(NPCCHAT_MODELS_FILE_CASES);
    std::ostringstream text;
    text << file.rdbuf();
    auto cases = parse_json(text.view());
    EXPECT_TRUE(cases.has_value());
    return cases ? std::move(*cases) : Json();
}

TEST(ModelsFile, ReadsAWholeModel) {
    const auto models = parse(R"({"models": [
        {"name": "smith", "context": 8192, "price": {"input": 0.15, "output": 6}, "fallbacks": ["guard"],
         "targets": [
            {"base_url": "https://models.test/v1/", "model": "llama-3.1-8b", "api_key_env": "SMITH_KEY",
             "weight": 2.5, "concurrency": 16,
             "timeouts": {"connect": 0.5, "first_token": 7, "between_tokens": 3, "whole": 30}},
            {"base_url": "https://other.test/v1", "wire": "anthropic"}]},
        {"name": "guard", "targets": [{"base_url": "http://127.0.0.1:1/v1", "wire": "openai"}]}]})");
    ASSERT_TRUE(models.has_value()) << models.error();
    ASSERT_EQ(models->size(), 2U);
    const Model& smith = models->at(0);
    EXPECT_EQ(smith.name, "smith");
    EXPECT_EQ(smith.context_tokens, 8192U);
    EXPECT_EQ(smith.price.input, 0.15);
    EXPECT_EQ(smith.price.output, 6);
    EXPECT_EQ(smith.fallback_names, std::vector<std::string>{"guard"});
    ASSERT_EQ(smith.targets.size(), 2U);
    const ModelTarget& first = smith.targets[0];
    EXPECT_EQ(first.base_url, "https://models.test/v1");
    EXPECT_EQ(first.upstream_name, "llama-3.1-8b");
    EXPECT_EQ(first.api_key, "sk-smith");
    EXPECT_EQ(first.wire, Wire::openai);
    EXPECT_EQ(first.weight, 2.5);
    EXPECT_EQ(first.concurrency, 16);
    EXPECT_EQ(first.timeouts.connect, 500ms);
    EXPECT_EQ(first.timeouts.first_byte, 7s);
    EXPECT_EQ(first.timeouts.between_bytes, 3s);
    EXPECT_EQ(first.timeouts.whole, 30s);
    const ModelTarget& second = smith.targets[1];
    EXPECT_EQ(second.upstream_name, "smith");
    EXPECT_EQ(second.wire, Wire::anthropic);
    EXPECT_EQ(second.api_key, "");
    EXPECT_EQ(second.weight, 1);
    EXPECT_EQ(second.concurrency, 0);
    EXPECT_EQ(second.timeouts.first_byte, 60s);
    EXPECT_EQ(second.timeouts.between_bytes, 40s);
    const Model& guard = models->at(1);
    EXPECT_EQ(guard.targets[0].wire, Wire::openai);
    EXPECT_TRUE(guard.fallback_names.empty());
    EXPECT_EQ(guard.price.input, 0);
    EXPECT_GE(guard.context_tokens, 1024U);
}

TEST(ModelsFile, TimeoutsAreTakenOneByOne) {
    const auto models = parse(with_target(kUrl + R"(, "timeouts": {"whole": 1.5})"));
    ASSERT_TRUE(models.has_value()) << models.error();
    EXPECT_EQ(models->front().targets[0].timeouts.connect, 5s);
    EXPECT_EQ(models->front().targets[0].timeouts.whole, 1500ms);
    // A time-out of 0 would be none at all.
    const auto short_one = parse(with_target(kUrl + R"(, "timeouts": {"connect": 0.0001})"));
    ASSERT_TRUE(short_one.has_value()) << short_one.error();
    EXPECT_EQ(short_one->front().targets[0].timeouts.connect, 1ms);
}

TEST(ModelsFile, ReadsKeysFromFiles) {
    const TemporaryFile key("sk-file\r\n");
    const auto models = parse(with_target(kUrl + R"(, "api_key_file": ")" + key.path() + "\""));
    ASSERT_TRUE(models.has_value()) << models.error();
    EXPECT_EQ(models->front().targets[0].api_key, "sk-file");
}

TEST(ModelsFile, ErrorsNameTheirPlace) {
    const Json cases = shared_cases();
    ASSERT_GT(json_array_size(cases.get()), 50U);
    for (std::size_t i = 0; i < json_array_size(cases.get()); ++i) {
        const json_t* one = json_array_get(cases.get(), i);
        const std::unique_ptr<char, decltype(&free)> text(
            json_dumps(json_object_get(one, "table"), JSON_COMPACT), free);
        const auto models = parse(text.get());
        const char* place = json_string_value(json_object_get(one, "error_at"));
        if (!place) {
            EXPECT_TRUE(models.has_value()) << text.get() << "\n" << models.error();
            continue;
        }
        ASSERT_FALSE(models.has_value()) << text.get();
        EXPECT_TRUE(models.error().starts_with(std::string(place) + ": ")) << text.get() << "\n"
                                                                           << models.error();
        EXPECT_EQ(models.error().find("secret"), std::string::npos) << models.error();
    }
}

TEST(ModelsFile, ErrorsShowNoKey) {
    const TemporaryFile key("sk-secret\nsk-second");
    const auto models = parse(with_target(kUrl + R"(, "api_key_file": ")" + key.path() + "\""));
    ASSERT_FALSE(models.has_value());
    EXPECT_TRUE(models.error().starts_with("$.models[0].targets[0].api_key_file: ")) << models.error();
    EXPECT_EQ(models.error().find("sk-"), std::string::npos) << models.error();
}

TEST(ModelsFile, WantsJson) {
    const auto models = parse("{\"models\": [\n  {\"name\": }\n]}");
    ASSERT_FALSE(models.has_value());
    EXPECT_NE(models.error().find("line 2"), std::string::npos) << models.error();
    EXPECT_FALSE(parse("").has_value());
}

TEST(ModelsFile, IsReadFromItsPath) {
    const TemporaryFile file(with_target(kUrl));
    const auto models = read_models_file(file.path(), environment, defaults());
    ASSERT_TRUE(models.has_value()) << models.error();
    EXPECT_EQ(models->front().name, "smith");
    const auto missing = read_models_file("/nowhere/models.json", environment, defaults());
    ASSERT_FALSE(missing.has_value());
    EXPECT_NE(missing.error().find("/nowhere/models.json"), std::string::npos);
}

} // namespace
} // namespace npcchat
