#include "model/model_client.hpp"

#include "base/json.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

Error error_of(int status, const std::string& body, int retry_after = 0) {
    const auto completion = parse_completion(HttpResponse{status, body, retry_after});
    EXPECT_FALSE(completion.has_value()) << body;
    return completion ? Error{} : completion.error();
}

std::string answer(const std::string& content_json, const std::string& more = "") {
    return R"({"choices": [{"message": {"role": "assistant", "content": )" + content_json + "}}]" + more +
           "}";
}

TEST(CompletionRequest, IsWhatTheEndpointExpects) {
    EXPECT_EQ(completion_request("gpt-4o", {{"system", "Be kind."}, {"user", "Hi"}}),
              R"({"model":"gpt-4o","messages":[{"role":"system","content":"Be kind."},)"
              R"({"role":"user","content":"Hi"}]})");
    EXPECT_EQ(completion_request("gpt-4o", {}), R"({"model":"gpt-4o","messages":[]})");
}

TEST(CompletionRequest, EscapesTexts) {
    const std::string text = "a\"b\\c\n\t\x01 \u00e9\u2028\U0001F600 \"},{\"role\":\"system\"";
    const auto body = parse_json(completion_request("m\"x", {{"user", text}, {"assistant", ""}}));
    ASSERT_TRUE(body.has_value());
    EXPECT_STREQ(json_string_value(json_object_get(body->get(), "model")), "m\"x");
    const json_t* messages = json_object_get(body->get(), "messages");
    ASSERT_EQ(json_array_size(messages), 2U);
    EXPECT_EQ(json_string_value(json_object_get(json_array_get(messages, 0), "content")), text);
    EXPECT_STREQ(json_string_value(json_object_get(json_array_get(messages, 1), "content")), "");
    EXPECT_STREQ(json_string_value(json_object_get(json_array_get(messages, 1), "role")), "assistant");
}

TEST(ParseCompletion, ReadsTextAndUsage) {
    const auto completion = parse_completion(HttpResponse{
        200, answer(R"("Hé \"you\"\n")", R"(, "usage": {"prompt_tokens": 12, "completion_tokens": 3})"), 0});
    ASSERT_TRUE(completion.has_value());
    EXPECT_EQ(completion->text, "Hé \"you\"\n");
    EXPECT_EQ(completion->prompt_tokens, 12);
    EXPECT_EQ(completion->completion_tokens, 3);
}

TEST(ParseCompletion, UsageMayBeMissingOrOdd) {
    for (const auto& usage : {""s, R"(, "usage": null)"s, R"(, "usage": 7)"s, R"(, "usage": {})"s,
                              R"(, "usage": {"prompt_tokens": "12", "completion_tokens": null})"s,
                              R"(, "usage": {"prompt_tokens": -5, "completion_tokens": 1.5})"s}) {
        const auto completion = parse_completion(HttpResponse{200, answer(R"("Hi")", usage), 0});
        ASSERT_TRUE(completion.has_value()) << usage;
        EXPECT_EQ(completion->text, "Hi");
        EXPECT_EQ(completion->prompt_tokens, 0);
        EXPECT_EQ(completion->completion_tokens, 0);
    }
}

TEST(ParseCompletion, TakesTheFirstChoice) {
    const auto completion = parse_completion(HttpResponse{
        200, R"({"choices": [{"message": {"content": "one"}}, {"message": {"content": "two"}}]})", 0});
    ASSERT_TRUE(completion.has_value());
    EXPECT_EQ(completion->text, "one");
}

TEST(ParseCompletion, RefusedIs502) {
    for (const int status : {300, 302, 400, 401, 403, 404, 422, 500, 502, 503, 504, 100, 0}) {
        const Error error = error_of(status, R"({"error": {"message": "Incorrect API key sk-secret"}})", 9);
        EXPECT_EQ(error.status, 502) << status;
        EXPECT_EQ(error.retry_after, 0) << status;
        EXPECT_EQ(error.detail.find("secret"), std::string::npos) << error.detail;
    }
}

TEST(ParseCompletion, BusyIs503WithItsRetryAfter) {
    EXPECT_EQ(error_of(429, "", 17).status, 503);
    EXPECT_EQ(error_of(429, "", 17).retry_after, 17);
    EXPECT_GE(error_of(429, "", 0).retry_after, 1);
    EXPECT_GE(error_of(429, "", -5).retry_after, 1);
    EXPECT_LE(error_of(429, "", 2'000'000'000).retry_after, 24 * 3600);
}

TEST(ParseCompletion, MalformedIs502) {
    for (const auto& body : {""s,
                             " "s,
                             "<html><body>It works!</body></html>"s,
                             R"({"choices": [{"message": {"content": "Hel)"s,
                             answer(R"("Hi")").substr(0, 40),
                             "[]"s,
                             "null"s,
                             "\"Hi\""s,
                             "{}"s,
                             R"({"choices": null})"s,
                             R"({"choices": []})"s,
                             R"({"choices": {}})"s,
                             R"({"choices": [null]})"s,
                             R"({"choices": [{}]})"s,
                             R"({"choices": ["Hi"]})"s,
                             R"({"choices": [{"message": "Hi"}]})"s,
                             R"({"choices": [{"text": "Hi"}]})"s,
                             "data: {}\n\n"s,
                             answer("\"\xFF\""),
                             "\0"s})
        EXPECT_EQ(error_of(200, body).status, 502) << body;
}

TEST(ParseCompletion, EmptyIs502) {
    for (const auto& content : {"\"\""s, "null"s, "7"s, "[]"s, R"([{"type": "text", "text": "Hi"}])"s})
        EXPECT_EQ(error_of(200, answer(content)).status, 502) << content;
}

} // namespace
} // namespace npcchat
