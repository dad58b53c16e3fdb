#include "import/seed_text.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

Message parsed(const std::string& entry) {
    const auto message = parse_seed_message(entry, 1234);
    EXPECT_TRUE(message.has_value()) << entry;
    return message.value_or(Message{});
}

Message answer(const std::string& json_text) {
    return parsed(R"({"text": ")" + json_text + R"(", "role": "assistant"})");
}

TEST(SeedText, ReadsUsersMessages) {
    const Message message = parsed(R"({"text": "#USER: Who are you?\n", "role": "user"})");
    EXPECT_EQ(message.speaker, Speaker::user);
    EXPECT_EQ(message.text, "Who are you?");
    EXPECT_EQ(message.scratchpad, "");
    EXPECT_EQ(message.at, 1234);
    EXPECT_EQ(parsed(R"({"role": "user", "text": " H\u00e9, #USER: quoted ", "x": 1})").text,
              "H\u00e9, #USER: quoted");
}

TEST(SeedText, ReadsAnswers) {
    const Message message = answer("I am Aela.");
    EXPECT_EQ(message.speaker, Speaker::assistant);
    EXPECT_EQ(message.text, "I am Aela.");
    EXPECT_EQ(message.scratchpad, "");
}

TEST(SeedText, CutsTheScratchpadOut) {
    for (const auto& text :
         {"#SCRATCHPAD: He is lost.\\n#ANSWER: Go north."s, "#SCRATCHPAD He is lost. #ANSWER Go north."s,
          "#SCRATCHPAD:He is lost.#ANSWER:Go north."s, "<scratchpad>He is lost.</scratchpad>Go north."s,
          "<think>He is lost.</think>\\nGo north."s}) {
        const Message message = answer(text);
        EXPECT_EQ(message.text, "Go north.") << text;
        EXPECT_EQ(message.scratchpad, "He is lost.") << text;
    }
}

TEST(SeedText, KeepsMarksThatStandAlone) {
    EXPECT_EQ(answer("Use #ANSWER here").text, "Use #ANSWER here");
    EXPECT_EQ(answer("The #SCRATCHPAD is open").text, "The #SCRATCHPAD is open");
}

TEST(SeedText, KeepsBothKindsOfThoughts) {
    const Message message = answer("#SCRATCHPAD: one #ANSWER: <think>two</think>Yes.");
    EXPECT_EQ(message.text, "Yes.");
    EXPECT_EQ(message.scratchpad, "one\ntwo");
}

TEST(SeedText, RefusesWhatIsNoMessage) {
    for (const auto& entry : {""s, "Hello"s, "[]"s, "{}"s, R"({"text": "a"})"s, R"({"role": "user"})"s,
                              R"({"text": 1, "role": "user"})"s, R"({"text": "a", "role": null})"s,
                              R"({"text": "a", "role": "user")"s, "{\"text\": \"\xFF\", \"role\": \"user\"}"s,
                              R"({"text": "\u0000", "role": "user"})"s})
        EXPECT_FALSE(parse_seed_message(entry, 0).has_value()) << entry;
}

TEST(SeedText, TakesNamesApart) {
    const auto name = parse_seed_chat_name("chat_history:token8438316761499410150:Save_1-B", "chat_history:");
    ASSERT_TRUE(name.has_value());
    EXPECT_EQ(name->key, "token8438316761499410150");
    EXPECT_EQ(name->chat_id, "Save_1-B");
    const auto colon = parse_seed_chat_name("long_memory:a:b:c", "long_memory:");
    ASSERT_TRUE(colon.has_value());
    EXPECT_EQ(colon->key, "a:b");
    EXPECT_EQ(colon->chat_id, "c");
}

TEST(SeedText, RefusesOtherNames) {
    for (const auto& name : {""s, "chat_history:"s, "chat_history:key"s, "chat_history:key:"s,
                             "chat_history::chat"s, "long_memory:key:chat"s, "xchat_history:key:chat"s})
        EXPECT_FALSE(parse_seed_chat_name(name, "chat_history:").has_value()) << name;
}

} // namespace
} // namespace npcchat
