#include "model/anthropic_wire.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

// The value as JSON, its keys in order.
std::string canonical(const json_t* value) {
    const std::unique_ptr<char, decltype(&free)> text(
        json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY), free);
    return text ? text.get() : "nothing";
}

std::string canonical(const std::string& json) {
    const auto parsed = parse_json(json);
    return parsed ? canonical(parsed->get()) : "not JSON: " + json;
}

std::string request_of(const std::string& members, bool streamed = false) {
    const auto body = anthropic_request("claude", members, streamed, 4096);
    return body ? canonical(*body) : body.error().detail;
}

// Of the request's member `name`.
std::string sent(const std::string& members, const char* name) {
    const auto body =
        anthropic_request("claude", R"("messages":[{"role":"user","content":"Hi"}],)" + members, false, 99);
    if (!body) return body.error().detail;
    return canonical(json_object_get(parse_json(*body)->get(), name));
}

std::string messages_of(const std::string& messages) {
    const auto body = anthropic_request("claude", R"("messages":[)" + messages + "]", false, 99);
    if (!body) return body.error().detail;
    return canonical(json_object_get(parse_json(*body)->get(), "messages"));
}

TEST(AnthropicRequest, IsWhatTheApiExpects) {
    EXPECT_EQ(
        request_of(R"("messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi"},)"
                   R"({"role":"assistant","content":"Ho"},{"role":"user","content":"Hé \"you\"\n"}])"),
        canonical(R"({"model":"claude","max_tokens":4096,"system":"Be kind.","messages":[
                  {"role":"user","content":[{"type":"text","text":"Hi"}]},
                  {"role":"assistant","content":[{"type":"text","text":"Ho"}]},
                  {"role":"user","content":[{"type":"text","text":"Hé \"you\"\n"}]}]})"));
    EXPECT_EQ(request_of(R"("messages":[])", true),
              canonical(R"({"model":"claude","max_tokens":4096,"messages":[],"stream":true})"));
}

TEST(AnthropicRequest, JoinsWhatTheSystemSays) {
    const auto body =
        anthropic_request("claude",
                          R"("messages":[{"role":"system","content":"One."},{"role":"user","content":"Hi"},)"
                          R"({"role":"developer","content":[{"type":"text","text":"Two."}]}])",
                          false, 99);
    ASSERT_TRUE(body.has_value());
    EXPECT_STREQ(json_string_value(json_object_get(parse_json(*body)->get(), "system")), "One.\n\nTwo.");
}

TEST(AnthropicRequest, TakesSettings) {
    EXPECT_EQ(sent(R"("max_tokens":7)", "max_tokens"), "7");
    EXPECT_EQ(sent(R"("max_tokens":7,"max_completion_tokens":8)", "max_tokens"), "8");
    EXPECT_EQ(sent(R"("max_tokens":null)", "max_tokens"), "99");
    EXPECT_EQ(sent(R"("temperature":0.5)", "temperature"), "0.5");
    EXPECT_EQ(sent(R"("temperature":2)", "temperature"), "1.0");
    EXPECT_EQ(sent(R"("top_p":0.25)", "top_p"), "0.25");
    EXPECT_EQ(sent(R"("stop":"END")", "stop_sequences"), R"(["END"])");
    EXPECT_EQ(sent(R"("stop":["a","b"])", "stop_sequences"), R"(["a","b"])");
    EXPECT_EQ(sent(R"("user":"player-7")", "metadata"), R"({"user_id":"player-7"})");
    EXPECT_EQ(sent(R"("stop":null,"top_p":null,"temperature":null,"user":"")", "stop_sequences"), "nothing");
}

TEST(AnthropicRequest, LeavesOutWhatTheApiDoesNotKnow) {
    EXPECT_EQ(request_of(R"("messages":[],"seed":1,"logprobs":true,"frequency_penalty":1,"n":1,)"
                         R"("response_format":{"type":"text"},"something_new":{"a":1})"),
              canonical(R"({"model":"claude","max_tokens":4096,"messages":[]})"));
}

TEST(AnthropicRequest, RefusesWhatCannotBeSaid) {
    for (const auto& [members, field] :
         {std::pair(R"("n":2)"s, "n:"s),
          std::pair(R"("response_format":{"type":"json_object"})"s, "response_format:"s)}) {
        const auto body = anthropic_request("claude", members, false, 99);
        ASSERT_FALSE(body.has_value()) << members;
        EXPECT_EQ(body.error().status, 422);
        EXPECT_TRUE(body.error().detail.starts_with(field)) << body.error().detail;
    }
    EXPECT_TRUE(messages_of(R"({"role":"user","content":7})").starts_with("messages[0].content:"));
    EXPECT_TRUE(messages_of(R"({"role":"robot","content":"x"})").starts_with("messages[0].role:"));
    EXPECT_TRUE(
        messages_of(R"({"role":"user","content":"x"},{"role":"user","content":[{"type":"input_audio"}]})")
            .starts_with("messages[1].content[0]:"));
    EXPECT_TRUE(messages_of(R"({"role":"assistant","tool_calls":[{"function":{"arguments":"[1"}}]})")
                    .starts_with("messages[0].tool_calls[0].function.arguments:"));
    EXPECT_FALSE(anthropic_request("claude", R"("messages":[)", false, 99).has_value());
}

TEST(AnthropicRequest, LeavesOutEmptyTexts) {
    EXPECT_EQ(
        messages_of(R"({"role":"user","content":"a"},{"role":"assistant","content":""},)"
                    R"({"role":"assistant","content":null},)"
                    R"({"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"b"}]})"),
        canonical(R"([{"role":"user","content":[{"type":"text","text":"a"}]},
                            {"role":"user","content":[{"type":"text","text":"b"}]}])"));
}

TEST(AnthropicRequest, TakesImages) {
    EXPECT_EQ(messages_of(R"({"role":"user","content":[{"type":"text","text":"Look"},)"
                          R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},)"
                          R"({"type":"image_url","image_url":{"url":"https://pictures.test/a.png"}}]})"),
              canonical(R"([{"role":"user","content":[{"type":"text","text":"Look"},
                  {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
                  {"type":"image","source":{"type":"url","url":"https://pictures.test/a.png"}}]}])"));
}

TEST(AnthropicRequest, TakesToolsAndTheirResults) {
    EXPECT_EQ(messages_of(
                  R"({"role":"assistant","content":"Let me see.","tool_calls":[{"id":"t1","type":"function",)"
                  R"("function":{"name":"look","arguments":"{\"at\": \"door\"}"}},)"
                  R"({"id":"t2","function":{"name":"wait","arguments":""}}]},)"
                  R"({"role":"tool","tool_call_id":"t1","content":"It is shut."})"),
              canonical(R"([{"role":"assistant","content":[{"type":"text","text":"Let me see."},
                  {"type":"tool_use","id":"t1","name":"look","input":{"at":"door"}},
                  {"type":"tool_use","id":"t2","name":"wait","input":{}}]},
                  {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1",
                      "content":[{"type":"text","text":"It is shut."}]}]}])"));
    const auto tools = R"("tools":[{"type":"function","function":{"name":"look","description":"Looks.",)"
                       R"("parameters":{"type":"object","properties":{"at":{"type":"string"}}}}},)"
                       R"({"type":"function","function":{"name":"wait"}}])"s;
    EXPECT_EQ(sent(tools, "tools"),
              canonical(R"([{"name":"look","description":"Looks.","input_schema":{"type":"object",
                  "properties":{"at":{"type":"string"}}}},{"name":"wait","input_schema":{"type":"object"}}])"));
    EXPECT_EQ(sent(tools, "tool_choice"), R"({"type":"auto"})");
    EXPECT_EQ(sent(tools + R"(,"tool_choice":"required")", "tool_choice"), R"({"type":"any"})");
    EXPECT_EQ(sent(tools + R"(,"tool_choice":"none","parallel_tool_calls":false)", "tool_choice"),
              R"({"type":"none"})");
    EXPECT_EQ(sent(tools + R"(,"tool_choice":{"type":"function","function":{"name":"look"}})", "tool_choice"),
              R"({"name":"look","type":"tool"})");
    EXPECT_EQ(sent(tools + R"(,"parallel_tool_calls":false)", "tool_choice"),
              R"({"disable_parallel_tool_use":true,"type":"auto"})");
    EXPECT_EQ(sent(R"("tools":[])", "tool_choice"), "nothing");
}

// The answer without its time.
std::string completion_of(const std::string& body) {
    const auto answer = completion_of_anthropic(body);
    if (!answer) return std::to_string(answer.error().status);
    const auto parsed = parse_json(*answer);
    if (!parsed) return "not JSON: " + *answer;
    EXPECT_GT(json_integer_value(json_object_get(parsed->get(), "created")), 1'700'000'000) << *answer;
    json_object_del(parsed->get(), "created");
    return canonical(parsed->get());
}

TEST(AnthropicAnswer, BecomesACompletion) {
    EXPECT_EQ(completion_of(R"({"id":"msg_1","type":"message","role":"assistant","model":"claude-x",
                  "content":[{"type":"text","text":"Hé \"you\""},{"type":"text","text":"!"}],
                  "stop_reason":"end_turn","usage":{"input_tokens":12,"output_tokens":3}})"),
              canonical(R"({"id":"msg_1","object":"chat.completion","model":"claude-x","choices":[{"index":0,
                  "message":{"role":"assistant","content":"Hé \"you\"!"},"logprobs":null,"finish_reason":"stop"}],
                  "usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,
                           "prompt_tokens_details":{"cached_tokens":0}}})"));
}

TEST(AnthropicAnswer, KeepsThoughtsAndCallsApart) {
    EXPECT_EQ(completion_of(R"({"id":"m","type":"message","model":"c","content":[
                  {"type":"thinking","thinking":"Hm.","signature":"x"},
                  {"type":"tool_use","id":"t1","name":"look","input":{"at":"door"}},
                  {"type":"tool_use","id":"t2","name":"wait","input":{}}],
                  "stop_reason":"tool_use","usage":{"input_tokens":1,"cache_read_input_tokens":10,
                  "cache_creation_input_tokens":100,"output_tokens":2}})"),
              canonical(R"({"id":"m","object":"chat.completion","model":"c","choices":[{"index":0,"message":{
                  "role":"assistant","content":null,"reasoning_content":"Hm.","tool_calls":[
                  {"index":0,"id":"t1","type":"function","function":{"name":"look","arguments":"{\"at\":\"door\"}"}},
                  {"index":1,"id":"t2","type":"function","function":{"name":"wait","arguments":"{}"}}]},
                  "logprobs":null,"finish_reason":"tool_calls"}],
                  "usage":{"prompt_tokens":111,"completion_tokens":2,"total_tokens":113,
                           "prompt_tokens_details":{"cached_tokens":10}}})"));
}

TEST(AnthropicAnswer, NamesTheReasonForItsEnd) {
    for (const auto& [reason, expected] :
         {std::pair("\"end_turn\"", "stop"), std::pair("\"stop_sequence\"", "stop"),
          std::pair("null", "stop"), std::pair("\"max_tokens\"", "length"),
          std::pair("\"model_context_window_exceeded\"", "length"), std::pair("\"tool_use\"", "tool_calls"),
          std::pair("\"refusal\"", "content_filter")}) {
        const auto answer =
            completion_of_anthropic(R"({"type":"message","content":[],"stop_reason":)"s + reason + "}");
        ASSERT_TRUE(answer.has_value()) << reason;
        EXPECT_TRUE(answer->contains(R"("finish_reason":")"s + expected + "\"")) << *answer;
    }
}

TEST(AnthropicAnswer, MalformedIs502) {
    for (const auto* body : {"", "x", "[]", "{}", R"({"type":"message"})", R"({"type":"error","error":{}})",
                             R"({"type":"message","content":"Hi"})", R"({"content":[]})"})
        EXPECT_EQ(completion_of(body), "502") << body;
}

// All chunks of a stream, without its time, as they would stand in OpenAI's.
class Stream {
  public:
    std::vector<std::string> feed(const std::string& type, const std::string& data) {
        auto chunks = stream_.translate(type, data);
        if (!chunks) return {std::to_string(chunks.error().status)};
        std::vector<std::string> texts;
        for (const std::string& chunk : *chunks) {
            const auto parsed = parse_json(chunk);
            if (parsed && json_is_object(parsed->get())) {
                json_object_del(parsed->get(), "created");
                texts.push_back(canonical(parsed->get()));
            } else {
                texts.push_back(chunk);
            }
        }
        return texts;
    }

    // The data says the type as well.
    std::vector<std::string> feed(const std::string& data) { return feed("", data); }

  private:
    AnthropicStream stream_;
};

std::string chunk(const std::string& choices, const std::string& more = "") {
    return canonical(R"({"id":"msg_1","object":"chat.completion.chunk","model":"claude-x","choices":[)" +
                     choices + "]" + more + "}");
}

std::string delta(const std::string& members) {
    return chunk(R"({"index":0,"delta":{)" + members + R"(},"finish_reason":null})");
}

using Chunks = std::vector<std::string>;

const std::string kStart =
    R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",
    "content":[],"model":"claude-x","stop_reason":null,"usage":{"input_tokens":25,"output_tokens":1}}})";

TEST(AnthropicStream, BecomesChunks) {
    Stream stream;
    EXPECT_EQ(stream.feed("message_start", kStart), Chunks{delta(R"("role":"assistant","content":"")")});
    EXPECT_EQ(
        stream.feed("content_block_start",
                    R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"),
        Chunks());
    EXPECT_EQ(stream.feed("ping", R"({"type":"ping"})"), Chunks());
    EXPECT_EQ(stream.feed(
                  "content_block_delta",
                  R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé\n"}})"),
              Chunks{delta(R"("content":"Hé\n")")});
    EXPECT_EQ(stream.feed("content_block_stop", R"({"type":"content_block_stop","index":0})"), Chunks());
    EXPECT_EQ(stream.feed("message_delta", R"({"type":"message_delta","delta":{"stop_reason":"max_tokens"},
                                               "usage":{"output_tokens":15}})"),
              (Chunks{chunk(R"({"index":0,"delta":{},"finish_reason":"length"})"),
                      chunk("", R"(,"usage":{"prompt_tokens":25,"completion_tokens":15,"total_tokens":40,
                                             "prompt_tokens_details":{"cached_tokens":0}})")}));
    EXPECT_EQ(stream.feed("message_stop", R"({"type":"message_stop"})"), Chunks{"[DONE]"});
}

TEST(AnthropicStream, KeepsThoughtsApart) {
    Stream stream;
    stream.feed(kStart);
    EXPECT_EQ(
        stream.feed(
            R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}})"),
        Chunks{delta(R"("reasoning_content":"Hm")")});
    EXPECT_EQ(
        stream.feed(
            R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}})"),
        Chunks());
}

TEST(AnthropicStream, TakesToolCalls) {
    Stream stream;
    stream.feed(kStart);
    for (const auto* index : {"0", "1"}) {
        EXPECT_EQ(
            stream.feed(
                R"({"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t",
                                  "name":"look","input":{}}})"),
            Chunks{delta(R"("tool_calls":[{"index":)"s + index +
                         R"(,"id":"t","type":"function","function":{"name":"look","arguments":""}}])")});
        EXPECT_EQ(stream.feed(R"({"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta",
                                  "partial_json":"{\"at\":"}})"),
                  Chunks{delta(R"("tool_calls":[{"index":)"s + index +
                               R"(,"function":{"arguments":"{\"at\":"}}])")});
    }
}

TEST(AnthropicStream, LaterCountsOfThePromptAreTheWholeOnes) {
    Stream stream;
    stream.feed(kStart);
    const auto chunks = stream.feed(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{
        "input_tokens":30,"cache_read_input_tokens":10,"output_tokens":15}})");
    ASSERT_EQ(chunks.size(), 2U);
    EXPECT_TRUE(chunks[1].contains(R"("prompt_tokens":40)")) << chunks[1];
    EXPECT_TRUE(chunks[1].contains(R"("cached_tokens":10)")) << chunks[1];
}

TEST(AnthropicStream, ErrorsEndIt) {
    EXPECT_EQ(Stream().feed("error", R"({"type":"error","error":{"type":"overloaded_error","message":"x"}})"),
              Chunks{"503"});
    EXPECT_EQ(Stream().feed(R"({"type":"error","error":{"type":"rate_limit_error"}})"), Chunks{"503"});
    EXPECT_EQ(Stream().feed(R"({"type":"error","error":{"type":"api_error"}})"), Chunks{"502"});
    EXPECT_EQ(Stream().feed(R"({"type":"error"})"), Chunks{"502"});
    EXPECT_EQ(Stream().feed("content_block_delta", "{\"type\":"), Chunks{"502"});
    EXPECT_EQ(Stream().feed("content_block_delta", "\xFF"), Chunks{"502"});
}

TEST(AnthropicStream, WhatALaterVersionAddsIsSkipped) {
    Stream stream;
    stream.feed(kStart);
    EXPECT_EQ(stream.feed("something_new", R"({"type":"something_new"})"), Chunks());
    EXPECT_EQ(stream.feed(R"({"type":"content_block_delta","delta":{"type":"something_new"}})"), Chunks());
    EXPECT_EQ(stream.feed(R"({"type":"content_block_start","content_block":{"type":"something_new"}})"),
              Chunks());
    // Not even a delta of a call that never began.
    EXPECT_EQ(stream.feed(
                  R"({"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}})"),
              Chunks());
    EXPECT_EQ(stream.feed("[]"), Chunks());
}

} // namespace
} // namespace npcchat
