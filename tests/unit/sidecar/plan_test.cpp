#include "account/plan.hpp"

#include "common/protocol.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

Result<Plan> read(const std::string& json) {
    return read_plan(parse_json_object(json)->get());
}

TEST(Plan, ReadsAllFields) {
    const auto plan = read(R"({"requests_per_minute": 60, "burst": 59, "tokens_per_minute": 5000,
                               "tokens_per_day": 200000, "concurrent_chats": 2, "models": ["smith", "gpt-4o"],
                               "colour": "blue"})");
    ASSERT_TRUE(plan.has_value());
    EXPECT_EQ(plan->requests_per_minute, 60);
    EXPECT_EQ(plan->burst, 59);
    EXPECT_EQ(plan->tokens_per_minute, 5000);
    EXPECT_EQ(plan->tokens_per_day, 200000);
    EXPECT_EQ(plan->concurrent_chats, 2);
    EXPECT_EQ(plan->models, (std::vector<std::string>{"smith", "gpt-4o"}));
}

TEST(Plan, AbsentAndNullMeanNoLimit) {
    for (const auto* json : {"{}", R"({"burst": null, "models": null, "tokens_per_day": null})"}) {
        const auto plan = read(json);
        ASSERT_TRUE(plan.has_value()) << json;
        EXPECT_EQ(plan_json(*plan), "") << json;
    }
}

TEST(Plan, ErrorsNameTheField) {
    for (const auto& [json, field] : {
             std::pair(R"({"requests_per_minute": -1})"s, "requests_per_minute"s),
             {R"({"requests_per_minute": "60"})", "requests_per_minute"},
             {R"({"burst": 1.5})", "burst"},
             {R"({"tokens_per_minute": 0})", "tokens_per_minute"},
             {R"({"tokens_per_day": 0})", "tokens_per_day"},
             {R"({"tokens_per_day": 1000000000001})", "tokens_per_day"},
             {R"({"concurrent_chats": 0})", "concurrent_chats"},
             {R"({"concurrent_chats": true})", "concurrent_chats"},
             {R"({"models": "smith"})", "models"},
             {R"({"models": []})", "models"},
             {R"({"models": ["smith", 1]})", "models[1]"},
             {R"({"models": [""]})", "models[0]"},
             {R"({"models": ["a", "b", "a"]})", "models[2]"},
         }) {
        const auto plan = read(json);
        ASSERT_FALSE(plan.has_value()) << json;
        EXPECT_EQ(plan.error().status, 422) << json;
        EXPECT_TRUE(plan.error().detail.starts_with(field + ": ")) << plan.error().detail;
    }
}

TEST(Plan, IsStoredAndReadBack) {
    const auto json = R"({"requests_per_minute": 60, "burst": 59, "tokens_per_minute": 5000, )"
                      R"("tokens_per_day": 200000, "concurrent_chats": 2, "models": ["a \"b\"", "c"]})"s;
    EXPECT_EQ(plan_json(*read(json)), json);
    EXPECT_EQ(plan_json(stored_plan(json)), json);
    EXPECT_EQ(plan_json(stored_plan(R"({"requests_per_minute": 0})")), R"({"requests_per_minute": 0})");
    EXPECT_EQ(plan_json(stored_plan("")), "");
}

TEST(Plan, OneMalformedFieldDoesNotEndTheOthersLimits) {
    EXPECT_EQ(plan_json(stored_plan(R"({"requests_per_minute": 60, "burst": "x", "models": 7})")),
              R"({"requests_per_minute": 60})");
    for (const auto* json : {"{", "[]", "60", R"({"burst": 1, "burst": 2})"})
        EXPECT_EQ(plan_json(stored_plan(json)), "") << json;
}

TEST(EdgePlan, HasWhatIsLimited) {
    EXPECT_EQ(edge_plan(""), "");
    EXPECT_EQ(edge_plan("{}"), "");
    EXPECT_EQ(edge_plan(R"({"requests_per_minute": 60, "burst": 59, "tokens_per_day": 1000})"),
              "rpm=60;burst=59;tpd=1000");
    EXPECT_EQ(edge_plan(R"({"requests_per_minute": 0})"), "rpm=0");
    EXPECT_EQ(edge_plan(R"({"burst": 5})"), "burst=5");
    EXPECT_EQ(edge_plan(R"({"tokens_per_minute": 7, "concurrent_chats": 2})"), "tpm=7;chats=2");
}

TEST(EdgePlan, PassesNothingMalformedOn) {
    for (const auto* plan :
         {"{", "[]", "60", R"({"requests_per_minute": "60;burst=1"})", R"({"requests_per_minute": 1.5})",
          R"({"requests_per_minute": null})", R"({"requests_per_minute": 1, "requests_per_minute": 2})"})
        EXPECT_EQ(edge_plan(plan), "") << plan;
}

TEST(EdgePlan, FitsIntoItsHeader) {
    const std::string most = "999999999999";
    std::string models;
    for (int i = 0; i < 200; ++i)
        models += (i == 0 ? "\"" : ", \"") + std::to_string(i) + std::string(200, 'm') + "\"";
    const std::string text = edge_plan(
        R"({"requests_per_minute": 1000000000, "burst": 1000000000, "tokens_per_minute": )" + most +
        R"(, "tokens_per_day": )" + most + R"(, "concurrent_chats": 1000000, "models": [)" + models + "]}");
    EXPECT_TRUE(text.contains(";models="));
    EXPECT_LE(text.size(), protocol::plan_max);
    for (const char c : text)
        EXPECT_TRUE(c > 0x20 && c < 0x7F) << text;
}

TEST(RequestPlan, IsWhatTheEdgeWasTold) {
    const auto plan = parse_request_plan(edge_plan(
        R"({"requests_per_minute": 60, "tokens_per_minute": 7, "tokens_per_day": 8, "concurrent_chats": 9,
            "models": ["a", "b"]})"));
    EXPECT_EQ(plan.tokens_per_minute, 7);
    EXPECT_EQ(plan.tokens_per_day, 8);
    EXPECT_EQ(plan.concurrent_chats, 9);
    EXPECT_EQ(plan.models_digest, models_digest({"a", "b"}));
    EXPECT_TRUE(plan.limits_tokens());
}

TEST(RequestPlan, MayBeEmptyOrOdd) {
    for (const auto* text :
         {"", ";", "=", "rpm=60;burst=59", "tpm", "tpm=", "tpm=x", "tpm=-5", "new=1;tpd=0"}) {
        const auto plan = parse_request_plan(text);
        EXPECT_FALSE(plan.limits_tokens()) << text;
        EXPECT_EQ(plan.models_digest, "") << text;
    }
}

TEST(ModelsDigest, TellsListsApart) {
    EXPECT_NE(models_digest({"a", "b"}), models_digest({"ab"}));
    EXPECT_NE(models_digest({"a"}), models_digest({"b"}));
    EXPECT_EQ(models_digest({"a"}).size(), 16U);
}

} // namespace
} // namespace npcchat
