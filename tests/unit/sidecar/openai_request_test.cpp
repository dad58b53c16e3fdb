#include "routes/openai_request.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

const std::string kHi = R"("messages": [{"role": "user", "content": "Hi"}])";

OpenAiRequest completion(const std::string& members) {
    auto request = read_completion_request("{" + members + "}");
    EXPECT_TRUE(request.has_value()) << members << ": " << (request ? "" : request.error().detail);
    return request ? std::move(*request) : OpenAiRequest();
}

Error refusal_of(const std::string& body) {
    const auto request = read_completion_request(body);
    EXPECT_FALSE(request.has_value()) << body;
    return request ? Error{} : request.error();
}

TEST(CompletionRequestBody, IsReadAndTheRestKept) {
    const auto request = completion(
        R"("temperature": 1.10, "model":"gpt-4o", "stream" : true, )" + kHi +
        R"(, "seed":12345678901234567890123, "stream_options": {"include_usage": true, "x": 1.0}, "u": [1e2])");
    EXPECT_EQ(request.model, "gpt-4o");
    EXPECT_TRUE(request.npc_id.empty());
    EXPECT_TRUE(request.streamed);
    EXPECT_TRUE(request.include_usage);
    EXPECT_EQ(request.upstream.members,
              R"("temperature": 1.10,)" + kHi + R"(,"seed":12345678901234567890123,"u": [1e2])");
    EXPECT_EQ(request.upstream.stream_options, R"("x": 1.0)");
    EXPECT_GT(request.upstream.prompt_estimate, 0);
}

TEST(CompletionRequestBody, HasDefaults) {
    for (const auto& more : {""s, R"(, "model": null, "stream": null, "stream_options": null)"s,
                             R"(, "stream": false, "stream_options": {"include_usage": null})"s}) {
        const auto request = completion(kHi + more);
        EXPECT_EQ(request.model, "");
        EXPECT_FALSE(request.streamed);
        EXPECT_FALSE(request.include_usage);
    }
}

TEST(CompletionRequestBody, NamesAnNpc) {
    EXPECT_EQ(completion(kHi + R"(, "model": "npc/smith")").npc_id, "smith");
    EXPECT_EQ(completion(kHi + R"(, "model": "npc%2Fsmith")").npc_id, "smith");
    EXPECT_EQ(completion(kHi + R"(, "model": "npc%2fsmith")").npc_id, "smith");
    EXPECT_EQ(completion(kHi + R"(, "model": "npc/0B5D4C5E-7A43-4D0E-9D4B-5F3A2C1E8F60")").npc_id,
              "0b5d4c5e-7a43-4d0e-9d4b-5f3a2c1e8f60");
    EXPECT_EQ(completion(kHi + R"(, "model": "npcs/smith")").npc_id, "");
}

TEST(CompletionRequestBody, IsRefusedByField) {
    EXPECT_EQ(refusal_of("{").status, 400);
    EXPECT_EQ(refusal_of("[]").status, 422);
    for (const auto& [members, field] :
         {std::pair(R"("model": "m")"s, "messages: "s),
          {R"("messages": null)", "messages: "},
          {R"("messages": [])", "messages: "},
          {R"("messages": "Hi")", "messages: "},
          {kHi + R"(, "model": 7)", "model: "},
          {kHi + R"(, "model": "")", "model: "},
          {kHi + R"(, "stream": "yes")", "stream: "},
          {kHi + R"(, "stream_options": [])", "stream_options: "},
          {kHi + R"(, "stream_options": {"include_usage": 1})", "stream_options.include_usage: "}}) {
        const Error error = refusal_of("{" + members + "}");
        EXPECT_EQ(error.status, 422) << members;
        EXPECT_TRUE(error.detail.starts_with(field)) << members << ": " << error.detail;
    }
}

TEST(EmbeddingsRequestBody, IsReadAndTheRestKept) {
    const auto request = read_embeddings_request(R"({"input": ["a", "b"], "model": "e", "dimensions": 3})");
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->model, "e");
    EXPECT_EQ(request->upstream.members, R"("input": ["a", "b"],"dimensions": 3)");
    EXPECT_EQ(read_embeddings_request(R"({"model": "e"})").error().status, 422);
    EXPECT_EQ(read_embeddings_request(R"({"input": 7})").error().status, 422);
    EXPECT_EQ(read_embeddings_request("x").error().status, 400);
}

Result<NpcRequest> npc_request(const std::string& members, std::string_view header = {}) {
    Request request;
    request.body = "{" + members + "}";
    request.chat_id = header;
    const auto body = read_completion_request(request.body);
    EXPECT_TRUE(body.has_value()) << members;
    return read_npc_request(body->body.get(), request);
}

TEST(NpcRequest, TakesTheMessagesApart) {
    const auto request = npc_request(R"("messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two", "name": "x"}, {"role": "assistant", "content": null},
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]}])");
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->addition, "Be brief.\n\nBe kind.");
    ASSERT_EQ(request->history.size(), 2U);
    EXPECT_EQ(request->history[0].text, "One");
    EXPECT_EQ(request->history[1].role, PastMessage::Role::assistant);
    EXPECT_EQ(request->history[1].text, "Two");
    EXPECT_EQ(request->message, "Three");
    EXPECT_FALSE(request->chat_id.has_value());
}

TEST(NpcRequest, ParametersGoOn) {
    const auto request =
        npc_request(kHi + R"(, "model": "npc/x", "temperature": 0.50, "stop": ["a"], "tools": [],
        "metadata": {"chat_id": "c"}, "stream": true, "stream_options": {}, "tool_choice": "none", "user": "u")");
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->parameters, R"("temperature": 0.50,"stop": ["a"],"user": "u")");
}

TEST(NpcRequest, NamesAChat) {
    EXPECT_EQ(npc_request(kHi + R"(, "metadata": {"chat_id": "c-1"})")->chat_id, "c-1");
    EXPECT_EQ(npc_request(kHi, "c_2")->chat_id, "c_2");
    EXPECT_EQ(npc_request(kHi + R"(, "metadata": {"chat_id": "c-1"})", "c_2")->chat_id, "c-1");
    for (const auto& none : {R"(, "metadata": {"chat_id": ""})"s, R"(, "metadata": {"chat_id": null})"s,
                             R"(, "metadata": {})"s, R"(, "metadata": null)"s})
        EXPECT_FALSE(npc_request(kHi + none)->chat_id.has_value()) << none;
    EXPECT_TRUE(npc_request(kHi, "a b").error().detail.starts_with("X-Chat-Id: "));
    EXPECT_TRUE(npc_request(kHi + R"(, "metadata": {"chat_id": 7})")
                    .error()
                    .detail.starts_with("metadata.chat_id: "));
    EXPECT_EQ(npc_request(kHi + R"(, "metadata": {"chat_id": "a/b"})").error().status, 422);
}

TEST(NpcRequest, RefusesWhatAnNpcDoesNotDo) {
    const auto messages = [](const std::string& list) { return R"("messages": [)" + list + "]"; };
    for (const auto& [members, field] :
         {std::pair(kHi + R"(, "tools": [{"type": "function"}])", "tools: "s),
          {kHi + R"(, "functions": [{}])", "functions: "},
          {kHi + R"(, "tools": "x")", "tools: "},
          {kHi + R"(, "n": 2)", "n: "},
          {kHi + R"(, "n": "1")", "n: "},
          {messages("7"), "messages[0]: "},
          {messages("{}"), "messages[0].content: "},
          {messages(R"({"role": "tool", "content": "x"})"), "messages[0].role: "},
          {messages(R"({"role": "user"})"), "messages[0].content: "},
          {messages(R"({"role": "user", "content": 7})"), "messages[0].content: "},
          {messages(R"({"role": "user", "content": [{"type": "image_url", "image_url": {}}]})"),
           "messages[0].content[0]: "},
          {messages(R"({"role": "user", "content": ""})"), "messages: "},
          {messages(R"({"role": "system", "content": "x"})"), "messages: "},
          {messages(R"({"role": "user", "content": "x"}, {"role": "assistant", "content": "y"})"),
           "messages: "}}) {
        const auto request = npc_request(members);
        ASSERT_FALSE(request.has_value()) << members;
        EXPECT_EQ(request.error().status, 422);
        EXPECT_TRUE(request.error().detail.starts_with(field)) << members << ": " << request.error().detail;
    }
    EXPECT_TRUE(npc_request(kHi + R"(, "n": 1)").has_value());
}

TEST(NpcRequest, AMessageInAChatHasABound) {
    const auto message = [](std::size_t size) {
        return R"("messages": [{"role": "user", "content": ")" + std::string(size, 'x') + R"("}])";
    };
    EXPECT_TRUE(npc_request(message(32'768), "c").has_value());
    EXPECT_EQ(npc_request(message(32'769), "c").error().status, 422);
    EXPECT_TRUE(npc_request(message(32'769)).has_value());
}

} // namespace
} // namespace npcchat
