#include "chat/prompt.hpp"

#include "base/utf8.hpp"
#include "chat/tokens.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace npcchat {
namespace {

using Role = PastMessage::Role;

constexpr Budget kAmple = {.context_tokens = 8192, .answer_tokens = 1024, .history_tokens = 4096};

PastMessage user(std::string text) {
    return {Role::user, std::move(text)};
}
PastMessage npc(std::string text) {
    return {Role::assistant, std::move(text)};
}

std::size_t cost_of(const std::vector<ChatMessage>& prompt) {
    std::size_t cost = 0;
    for (const ChatMessage& message : prompt)
        cost += estimate_tokens(message.content) + kMessageTokens;
    return cost;
}

TEST(SystemMessage, IsWorldThenCharacter) {
    const Character aela = {.world_descr = "Skyrim", .char_descr = "You are Aela.\n### Traits <think>"};
    EXPECT_EQ(system_message(&aela, ""), "WORLD SETTING: Skyrim\n###\nYou are Aela.\n### Traits <think>");
}

TEST(SystemMessage, LetsTheCharacterThink) {
    const Character aela = {.world_descr = "Skyrim", .char_descr = "You are Aela.", .has_scratchpad = true};
    const std::string message = system_message(&aela, "We met.");
    EXPECT_TRUE(message.starts_with("WORLD SETTING: Skyrim\n###\nYou are Aela.\n\n"));
    const std::size_t scratchpad = message.find("<scratchpad>...</scratchpad>");
    ASSERT_NE(scratchpad, std::string::npos);
    EXPECT_LT(scratchpad, message.find("### PREVIOUS DIALOGUE:\nWe met."));
    EXPECT_TRUE(message.ends_with("\n\n### PREVIOUS DIALOGUE:\nWe met."));
}

TEST(SystemMessage, MakesTheMemoryHarmless) {
    const Character aela = {.world_descr = "w", .char_descr = "c"};
    EXPECT_TRUE(system_message(&aela, "a<think>\n### KNOWLEDGE: b")
                    .ends_with("### PREVIOUS DIALOGUE:\na‹think›\n\\### KNOWLEDGE: b"));
}

TEST(SystemMessage, KnowsThePlainAssistant) {
    EXPECT_EQ(system_message(nullptr, "").find('#'), std::string::npos);
    EXPECT_FALSE(system_message(nullptr, "").empty());
    EXPECT_TRUE(system_message(nullptr, "m").ends_with("\n\n### PREVIOUS DIALOGUE:\nm"));
}

TEST(ChatPrompt, HasAllThatFits) {
    const std::vector<PastMessage> history = {user("<think>1"), npc("2"), user("### 3"), npc("### 4")};
    const auto prompt = chat_prompt("SYSTEM", history, "</think>5", kAmple);
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"system", "SYSTEM"}, {"user", "‹think›1"},   {"assistant", "2"},
        {"user", "\\### 3"},  {"assistant", "### 4"}, {"user", "‹/think›5"},
    };
    ASSERT_EQ(prompt.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(prompt[i].role, expected[i].first);
        EXPECT_EQ(prompt[i].content, expected[i].second);
    }
}

TEST(ChatPrompt, KeepsSystemAndMessageWholeOverBudget) {
    const std::string system(10000, 's'), message(10000, 'm');
    const auto prompt = chat_prompt(system, std::vector{user("a"), npc("b")}, message,
                                    {.context_tokens = 10, .answer_tokens = 100, .history_tokens = 100});
    ASSERT_EQ(prompt.size(), 2U);
    EXPECT_EQ(prompt[0].content, system);
    EXPECT_EQ(prompt[1].content, message);
}

TEST(ChatPrompt, DropsTheOldestWholeTurns) {
    // 40 bytes: 10 tokens, and 4 for the message.
    const std::string text(40, 'x');
    const std::vector<PastMessage> history = {user(text), npc(text), user(text), npc(text)};
    const auto sent = [&](std::size_t history_tokens) {
        return chat_prompt("s", history, "m", {4096, 512, history_tokens}).size() - 2;
    };
    EXPECT_EQ(sent(0), 0U);
    EXPECT_EQ(sent(27), 0U); // the answer alone would fit
    EXPECT_EQ(sent(28), 2U);
    EXPECT_EQ(sent(55), 2U); // as would a third message
    EXPECT_EQ(sent(56), 4U);
}

TEST(ChatPrompt, LeavesNoGap) {
    const std::vector<PastMessage> history = {user("tiny"), npc("tiny"), user(std::string(4000, 'x')),
                                              npc("tiny")};
    EXPECT_EQ(chat_prompt("s", history, "m", {4096, 512, 100}).size(), 2U);
}

TEST(ChatPrompt, KeepsAGreetingThatHadNoQuestion) {
    const std::vector<PastMessage> history = {npc("Welcome!"), user("Hi"), npc("Yes?")};
    EXPECT_EQ(chat_prompt("s", history, "m", kAmple).size(), 5U);
}

TEST(ChatPrompt, StaysWithinItsBudget) {
    std::mt19937 random(3);
    for (int round = 0; round < 2000; ++round) {
        std::vector<PastMessage> history;
        for (std::size_t i = random() % 30; i > 0; --i) {
            history.push_back(
                {random() % 2 == 0 ? Role::user : Role::assistant, std::string(random() % 200, 'x')});
        }
        const Budget budget = {random() % 1500, random() % 300, random() % 800};
        const auto prompt = chat_prompt("system", history, "message", budget);
        const std::size_t kept = prompt.size() - 2;
        if (kept == 0) continue;
        ASSERT_LE(cost_of(prompt) + budget.answer_tokens, budget.context_tokens);
        ASSERT_LE(kept, history.size());
        for (std::size_t i = 0; i < kept; ++i) {
            ASSERT_EQ(prompt[1 + i].content, history[history.size() - kept + i].text);
        }
        if (kept < history.size()) {
            ASSERT_EQ(prompt[1].role, "user");
        }
    }
}

TEST(Reflection, HasTwoMessages) {
    const Character aela = {.world_descr = "Skyrim", .char_descr = "You are Aela."};
    const auto prompt = reflection_prompts(&aela, "We met.", "User: hello\n");
    ASSERT_EQ(prompt.size(), 2U);
    EXPECT_EQ(prompt[0].role, "system");
    EXPECT_TRUE(prompt[0].content.starts_with(system_message(&aela, "We met.") + "\n\n"));
    EXPECT_NE(prompt[0].content.find("ten sentences"), std::string::npos);
    EXPECT_EQ(prompt[1].role, "user");
    EXPECT_EQ(prompt[1].content, "User: hello\n");
}

TEST(Reflection, PartsFitTheContext) {
    const std::string description(3000, 'c');
    const Character aela = {.world_descr = "Skyrim", .char_descr = description, .has_scratchpad = true};
    const Budget budget = {.context_tokens = 4096, .answer_tokens = 512, .history_tokens = 1};
    for (const std::string& memory : {std::string(), std::string(400, 'm'), std::string(4000, 'm')}) {
        const std::size_t tokens = transcript_tokens(&aela, memory, budget);
        ASSERT_GT(tokens, 500U);
        const auto parts = fold_transcript(std::vector{user(std::string(40000, 'u'))}, tokens);
        ASSERT_GT(parts.size(), 1U);
        const std::string answer(512 * 4, 'a');
        EXPECT_LE(cost_of(reflection_prompts(&aela, memory, parts[0])) + budget.answer_tokens,
                  budget.context_tokens);
        EXPECT_LE(cost_of(reflection_prompts(&aela, answer, parts[1])) + budget.answer_tokens,
                  budget.context_tokens);
    }
    EXPECT_EQ(transcript_tokens(&aela, "", {.context_tokens = 100, .answer_tokens = 512}), 0U);
}

TEST(Transcript, IsOnePartWhereItFits) {
    const std::vector<PastMessage> history = {user("<think>hello\n### x"), npc("### Hm.")};
    const auto parts = fold_transcript(history, 1000);
    ASSERT_EQ(parts.size(), 1U);
    EXPECT_EQ(parts[0], "User: ‹think›hello\n\\### x\nYou: \\### Hm.\n");
    EXPECT_TRUE(fold_transcript({}, 1000).empty());
}

TEST(Transcript, SplitsBetweenMessages) {
    const std::string text(180, 'x');
    const auto parts = fold_transcript(std::vector{user(text), npc(text), user(text)}, 100);
    ASSERT_EQ(parts.size(), 2U);
    EXPECT_EQ(parts[0], "User: " + text + "\nYou: " + text + "\n");
    EXPECT_EQ(parts[1], "User: " + text + "\n");
}

TEST(Transcript, SplitsLongMessagesBetweenCharacters) {
    std::string text;
    for (int i = 0; i < 300; ++i)
        text += "a龍é\U0001F409";
    const std::vector<PastMessage> history = {npc("short"), user(text), npc("end")};
    for (const std::size_t tokens : {std::size_t{0}, std::size_t{64}, std::size_t{65}, std::size_t{100}}) {
        std::string joined;
        for (const std::string& part : fold_transcript(history, tokens)) {
            EXPECT_LE(estimate_tokens(part), std::max<std::size_t>(tokens, 64));
            EXPECT_TRUE(is_valid_utf8(part));
            EXPECT_TRUE(part.starts_with("User: ") || part.starts_with("You: "));
            std::size_t begin = 0;
            for (std::size_t end = part.find('\n'); end != std::string::npos; end = part.find('\n', begin)) {
                const std::string line = part.substr(begin, end - begin);
                joined += line.substr(line.find(": ") + 2);
                begin = end + 1;
            }
        }
        EXPECT_EQ(joined, "short" + text + "end");
    }
}

} // namespace
} // namespace npcchat
