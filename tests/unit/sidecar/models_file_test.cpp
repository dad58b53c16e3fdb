#include "model/models_file.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <unistd.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

const HttpTimeouts kDefaults{5s, 60s, 120s};

std::optional<std::string> environment(const char* name) {
    if (std::string_view(name) == "SMITH_KEY") return "sk-smith";
    return std::nullopt;
}

auto parse(const std::string& text) {
    return parse_models(text, environment, kDefaults);
}

// A file of one model, of which `fields` are the target's.
std::string with_target(const std::string& fields) {
    return R"({"models": [{"name": "smith", "targets": [{)" + fields + "}]}]}";
}

std::string with_model(const std::string& fields) {
    return R"({"models": [{)" + fields + "}]}";
}

const std::string kUrl = R"("base_url": "http://127.0.0.1:1/v1")";
const std::string kTargets = R"("targets": [{"base_url": "http://127.0.0.1:1/v1"}])";

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

TEST(ModelsFile, ReadsAWholeModel) {
    const auto models = parse(R"({"models": [
        {"name": "smith", "context": 8192, "targets": [
            {"base_url": "https://models.test/v1/", "model": "llama-3.1-8b", "api_key_env": "SMITH_KEY",
             "timeouts": {"connect": 0.5, "first_token": 7, "whole": 30}}]},
        {"name": "guard", "targets": [{"base_url": "http://127.0.0.1:1/v1"}]}]})");
    ASSERT_TRUE(models.has_value()) << models.error();
    ASSERT_EQ(models->size(), 2U);
    const Model& smith = models->at(0);
    EXPECT_EQ(smith.name, "smith");
    EXPECT_EQ(smith.context_tokens, 8192U);
    EXPECT_EQ(smith.target.base_url, "https://models.test/v1");
    EXPECT_EQ(smith.target.upstream_name, "llama-3.1-8b");
    EXPECT_EQ(smith.target.api_key, "sk-smith");
    EXPECT_EQ(smith.target.timeouts.connect, 500ms);
    EXPECT_EQ(smith.target.timeouts.first_byte, 7s);
    EXPECT_EQ(smith.target.timeouts.whole, 30s);
    const Model& guard = models->at(1);
    EXPECT_EQ(guard.target.upstream_name, "guard");
    EXPECT_EQ(guard.target.api_key, "");
    EXPECT_EQ(guard.target.timeouts.first_byte, 60s);
    EXPECT_GE(guard.context_tokens, 1024U);
}

TEST(ModelsFile, TimeoutsAreTakenOneByOne) {
    const auto models = parse(with_target(kUrl + R"(, "timeouts": {"whole": 1.5})"));
    ASSERT_TRUE(models.has_value()) << models.error();
    EXPECT_EQ(models->front().target.timeouts.connect, 5s);
    EXPECT_EQ(models->front().target.timeouts.whole, 1500ms);
}

TEST(ModelsFile, ReadsKeysFromFiles) {
    const TemporaryFile key("sk-file\r\n");
    const auto models = parse(with_target(kUrl + R"(, "api_key_file": ")" + key.path() + "\""));
    ASSERT_TRUE(models.has_value()) << models.error();
    EXPECT_EQ(models->front().target.api_key, "sk-file");
}

TEST(ModelsFile, ErrorsNameTheirPlace) {
    const std::string target = "$.models[0].targets[0]";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"[]", "$"},
        {"{}", "$.models"},
        {R"({"models": {}})", "$.models"},
        {R"({"models": []})", "$.models"},
        {R"({"models": [], "more": 1})", "$.models"},
        {R"({"models": [1]})", "$.models[0]"},
        {with_model(kTargets), "$.models[0].name"},
        {with_model(R"("name": "", )" + kTargets), "$.models[0].name"},
        {with_model(R"("name": 1, )" + kTargets), "$.models[0].name"},
        {with_model(R"("name": "a")"), "$.models[0].targets"},
        {with_model(R"("name": "a", "targets": [])"), "$.models[0].targets"},
        {with_model(R"("name": "a", "targets": [{}, {}])"), "$.models[0].targets"},
        {with_model(R"("name": "a", "context": 1023, )" + kTargets), "$.models[0].context"},
        {with_model(R"("name": "a", "context": "9000", )" + kTargets), "$.models[0].context"},
        {with_model(R"("name": "a", "kontext": 9000, )" + kTargets), "$.models[0].kontext"},
        {with_target(""), target + ".base_url"},
        {with_target(R"("base_url": "127.0.0.1:1/v1")"), target + ".base_url"},
        {with_target(R"("base_url": 1)"), target + ".base_url"},
        {with_target(kUrl + R"(, "model": null)"), target + ".model"},
        {with_target(kUrl + R"(, "api_key": "sk-1")"), target + ".api_key"},
        {with_target(kUrl + R"(, "api_key_env": "OTHER_KEY")"), target + ".api_key_env"},
        {with_target(kUrl + R"(, "api_key_file": "/nowhere/key")"), target + ".api_key_file"},
        {with_target(kUrl + R"(, "api_key_env": "SMITH_KEY", "api_key_file": "/x")"),
         target + ".api_key_file"},
        {with_target(kUrl + R"(, "timeouts": 5)"), target + ".timeouts"},
        {with_target(kUrl + R"(, "timeouts": {"connect": 0})"), target + ".timeouts.connect"},
        {with_target(kUrl + R"(, "timeouts": {"first_token": "5"})"), target + ".timeouts.first_token"},
        {with_target(kUrl + R"(, "timeouts": {"whole": 86401})"), target + ".timeouts.whole"},
        {with_target(kUrl + R"(, "timeouts": {"first_byte": 5})"), target + ".timeouts.first_byte"},
        {with_model(R"("name": "a", )" + kTargets + R"(}, {"name": "a", )" + kTargets), "$.models[1].name"},
    };
    for (const auto& [text, place] : cases) {
        const auto models = parse(text);
        ASSERT_FALSE(models.has_value()) << text;
        EXPECT_TRUE(models.error().starts_with(place + ": ")) << text << "\n" << models.error();
    }
}

TEST(ModelsFile, ErrorsShowNoKey) {
    const auto models = parse(with_target(kUrl + R"(, "api_key": "sk-secret")"));
    ASSERT_FALSE(models.has_value());
    EXPECT_EQ(models.error().find("sk-secret"), std::string::npos) << models.error();
}

TEST(ModelsFile, WantsJson) {
    const auto models = parse("{\"models\": [\n  {\"name\": }\n]}");
    ASSERT_FALSE(models.has_value());
    EXPECT_NE(models.error().find("line 2"), std::string::npos) << models.error();
    EXPECT_FALSE(parse("").has_value());
}

TEST(ModelsFile, IsReadFromItsPath) {
    const TemporaryFile file(with_target(kUrl));
    const auto models = read_models_file(file.path(), environment, kDefaults);
    ASSERT_TRUE(models.has_value()) << models.error();
    EXPECT_EQ(models->front().name, "smith");
    const auto missing = read_models_file("/nowhere/models.json", environment, kDefaults);
    ASSERT_FALSE(missing.has_value());
    EXPECT_NE(missing.error().find("/nowhere/models.json"), std::string::npos);
}

} // namespace
} // namespace npcchat
