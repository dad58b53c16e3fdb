#include "model/openai_wire.hpp"

#include "base/json.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

Error error_of(const std::string& body) {
    const auto completion = parse_completion(body);
    EXPECT_FALSE(completion.has_value()) << body;
    return completion ? Error{} : completion.error();
}

std::string answer(const std::string& content_json, const std::string& more = "") {
    return R"({"choices": [{"message": {"role": "assistant", "content": )" + content_json + "}}]" + more +
           "}";
}

std::string body_of(std::string_view upstream_name, const std::vector<ChatMessage>& messages) {
    return completion_body(upstream_name, completion_request(messages), false);
}

TEST(CompletionRequest, IsWhatTheEndpointExpects) {
    EXPECT_EQ(body_of("gpt-4o", {{"system", "Be kind."}, {"user", "Hi"}}),
              R"({"model":"gpt-4o","messages":[{"role":"system","content":"Be kind."},)"
              R"({"role":"user","content":"Hi"}]})");
    EXPECT_EQ(body_of("gpt-4o", {}), R"({"model":"gpt-4o","messages":[]})");
}

TEST(CompletionRequest, EstimatesThePrompt) {
    EXPECT_EQ(completion_request({}).prompt_estimate, 0);
    EXPECT_EQ(completion_request({{"user", "12345678"}}).prompt_estimate, 2 + 4);
}

TEST(CompletionRequest, AStreamedOneAsksForTheUsage) {
    CompletionRequest request;
    EXPECT_EQ(completion_body("m", request, true),
              R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})");
    request.members = R"("messages":[],"top_p":1.0)";
    request.stream_options = R"("include_obfuscation":false)";
    EXPECT_EQ(
        completion_body("m", request, true),
        R"({"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},)"
        R"("messages":[],"top_p":1.0})");
    EXPECT_EQ(completion_body("m", request, false), R"({"model":"m","messages":[],"top_p":1.0})");
}

TEST(CompletionRequest, EscapesTexts) {
    const std::string text = "a\"b\\c\n\t\x01 \u00e9\u2028\U0001F600 \"},{\"role\":\"system\"";
    const auto body = parse_json(body_of("m\"x", {{"user", text}, {"assistant", ""}}));
    ASSERT_TRUE(body.has_value());
    EXPECT_STREQ(json_string_value(json_object_get(body->get(), "model")), "m\"x");
    const json_t* messages = json_object_get(body->get(), "messages");
    ASSERT_EQ(json_array_size(messages), 2U);
    EXPECT_EQ(json_string_value(json_object_get(json_array_get(messages, 0), "content")), text);
    EXPECT_STREQ(json_string_value(json_object_get(json_array_get(messages, 1), "content")), "");
    EXPECT_STREQ(json_string_value(json_object_get(json_array_get(messages, 1), "role")), "assistant");
}

TEST(ParseCompletion, ReadsTextAndUsage) {
    const auto completion = parse_completion(
        answer(R"("Hé \"you\"\n")", R"(, "usage": {"prompt_tokens": 12, "completion_tokens": 3})"));
    ASSERT_TRUE(completion.has_value());
    EXPECT_EQ(completion->text, "Hé \"you\"\n");
    EXPECT_EQ(completion->usage.prompt_tokens, 12);
    EXPECT_EQ(completion->usage.completion_tokens, 3);
}

TEST(ParseCompletion, UsageMayBeMissingOrOdd) {
    for (const auto& usage : {""s, R"(, "usage": null)"s, R"(, "usage": 7)"s, R"(, "usage": {})"s,
                              R"(, "usage": {"prompt_tokens": "12", "completion_tokens": null})"s,
                              R"(, "usage": {"prompt_tokens": -5, "completion_tokens": 1.5})"s}) {
        const auto completion = parse_completion(answer(R"("Hi")", usage));
        ASSERT_TRUE(completion.has_value()) << usage;
        EXPECT_EQ(completion->text, "Hi");
        EXPECT_EQ(completion->usage.prompt_tokens, 0);
        EXPECT_EQ(completion->usage.completion_tokens, 0);
    }
}

TEST(ParseCompletion, TakesTheFirstChoice) {
    const auto completion = parse_completion(
        R"({"choices": [{"message": {"content": "one"}}, {"message": {"content": "two"}}]})");
    ASSERT_TRUE(completion.has_value());
    EXPECT_EQ(completion->text, "one");
}

TEST(ParseCompletion, SaysWhyTheAnswerEnded) {
    const std::string choice = R"({"message": {"content": "Hi"}, "finish_reason": )";
    EXPECT_EQ(parse_completion(R"({"choices": [)" + choice + R"("length"}]})")->finish_reason, "length");
    EXPECT_EQ(parse_completion(R"({"choices": [)" + choice + R"(null}]})")->finish_reason, "stop");
    EXPECT_EQ(parse_completion(answer(R"("Hi")"))->finish_reason, "stop");
}

TEST(Refusal, Is502) {
    for (const int status : {300, 302, 400, 401, 403, 404, 422, 500, 502, 503, 504, 100, 0}) {
        EXPECT_EQ(refusal(status, 9s).status, 502) << status;
        EXPECT_EQ(refusal(status, 9s).retry_after, 0) << status;
    }
}

TEST(Refusal, OfABusyEndpointIs503WithItsRetryAfter) {
    EXPECT_EQ(refusal(429, 17s).status, 503);
    EXPECT_EQ(refusal(429, 17s).retry_after, 17);
    EXPECT_GE(refusal(429, 0s).retry_after, 1);
    EXPECT_GE(refusal(429, std::nullopt).retry_after, 1);
    EXPECT_LE(refusal(429, 2'000'000'000s).retry_after, 24 * 3600);
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
        EXPECT_EQ(error_of(body).status, 502) << body;
}

TEST(ParseCompletion, EmptyIs502) {
    for (const auto& content : {"\"\""s, "null"s, "7"s, "[]"s, R"([{"type": "text", "text": "Hi"}])"s})
        EXPECT_EQ(error_of(answer(content)).status, 502) << content;
}

std::string chunk(const std::string& choices, const std::string& more = "") {
    return R"({"id": "c", "choices": )" + choices + more + "}";
}

std::string delta(const std::string& members, const std::string& finish = "null") {
    return chunk(R"([{"index": 0, "delta": {)" + members + R"(}, "finish_reason": )" + finish + "}]");
}

TEST(ParseChunk, FindsTheText) {
    const std::string data = delta(R"("role": "assistant", "content": "a \"b\" \u00e9")");
    const auto found = parse_chunk(data);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->data, data);
    EXPECT_EQ(found->text, R"("a \"b\" \u00e9")");
    EXPECT_TRUE(found->finish_reason.empty());
    EXPECT_TRUE(found->says_something);
    EXPECT_FALSE(found->usage.has_value());
}

TEST(ParseChunk, WhoSpeaksSaysNothingYet) {
    for (const auto& members : {R"("role": "assistant")"s, R"("role": "assistant", "content": "")"s,
                                R"("role": "assistant", "content": null, "tool_calls": [])"s, ""s})
        EXPECT_FALSE(parse_chunk(delta(members))->says_something) << members;
    for (const auto& members : {R"("content": " ")"s, R"("reasoning_content": "Hm")"s, R"("refusal": "No")"s,
                                R"("tool_calls": [{"index": 0}])"s})
        EXPECT_TRUE(parse_chunk(delta(members))->says_something) << members;
}

TEST(ParseChunk, FindsTheEnd) {
    const std::string text = delta("", R"("length")");
    const auto found = parse_chunk(text);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->finish_reason, R"("length")");
    EXPECT_TRUE(found->says_something);
}

TEST(ParseChunk, KnowsTheChunkThatHasTheUsageAlone) {
    const std::string usage = R"(, "usage": {"prompt_tokens": 12, "completion_tokens": 3})";
    const std::string alone_data = chunk("[]", usage);
    const auto alone = parse_chunk(alone_data);
    EXPECT_TRUE(alone->is_usage_alone);
    EXPECT_EQ(alone->usage->prompt_tokens, 12);
    EXPECT_EQ(alone->usage->completion_tokens, 3);
    EXPECT_FALSE(parse_chunk(chunk("[]"))->is_usage_alone);
    EXPECT_FALSE(parse_chunk(chunk("[]", R"(, "usage": null)"))->is_usage_alone);
    const std::string beside_data = chunk(R"([{"delta": {"content": "x"}}])", usage);
    const auto beside = parse_chunk(beside_data);
    EXPECT_FALSE(beside->is_usage_alone);
    EXPECT_EQ(beside->usage->prompt_tokens, 12);
}

TEST(ParseChunk, IsNotMisledByWhatAModelSays) {
    const std::string data = delta(R"("content": "\"usage\": {\"prompt_tokens\": 9}, \"error\": 1, }]}")");
    const auto found = parse_chunk(data);
    ASSERT_TRUE(found.has_value());
    EXPECT_FALSE(found->usage.has_value());
}

TEST(ParseChunk, RefusesErrorsAndWhatIsMalformed) {
    for (const auto& data :
         {""s, " "s, "x"s, "[]"s, "null"s, "{}"s, R"({"error": {"message": "sk-secret"}})"s,
          R"({"choices": [], "error": "x"})"s, delta(R"("content": "x")").substr(0, 40), R"({"choices": [])"s,
          R"({"choices": [] "id": 1})"s, R"({"object": "error", "message": "x"})"s, "\xFF"s}) {
        const auto found = parse_chunk(data);
        ASSERT_FALSE(found.has_value()) << data;
        EXPECT_EQ(found.error().status, 502);
        EXPECT_EQ(found.error().detail.find("secret"), std::string::npos);
    }
    EXPECT_TRUE(parse_chunk(chunk("[]", R"(, "error": null)")).has_value());
}

} // namespace
} // namespace npcchat
