#include "tests/stores/session_fixture.hpp"

#include <algorithm>

namespace npcchat::testing {
namespace {

class SessionTurns : public SessionTest {};

INSTANTIATE_TEST_SUITE_P(All, SessionTurns,
                         ::testing::Values(Kind::sqlite, Kind::postgresql, Kind::redis, Kind::redis_cluster,
                                           Kind::tiered),
                         kind_name);

TEST_P(SessionTurns, AreStored) {
    say(chat(), "Who are you?", "I am Aela.", "", 1'700'000'000'000);
    const OpenChat opened = look(chat(), "npc");
    EXPECT_TRUE(opened.exists);
    EXPECT_EQ(opened.npc_id, "npc");
    EXPECT_EQ(opened.memory, "");
    EXPECT_EQ(opened.message_count, 2);
    const Lines expected = {"user 1700000000000: Who are you?", "npc 1700000000001: I am Aela."};
    EXPECT_EQ(lines_of(opened.messages), expected);
    EXPECT_EQ(said(chat()), expected);
    EXPECT_EQ(history(chat())->npc_id, "npc");
    EXPECT_EQ(history(chat())->memory, "");
}

TEST_P(SessionTurns, StayInOrder) {
    Lines expected;
    for (int i = 0; i < 120; ++i) {
        // Times that do not grow: a clock may be set.
        const Millis at = 1000 - i;
        say(chat(), "q" + std::to_string(i), "a" + std::to_string(i), i % 3 ? "" : "p" + std::to_string(i),
            at);
        expected.push_back(fmt::format("user {}: q{}", at, i));
        expected.push_back(fmt::format("npc {}: a{}{}", at + 1, i, i % 3 ? "" : fmt::format(" [p{}]", i)));
    }
    EXPECT_EQ(said(chat()), expected);
    const OpenChat opened = look(chat());
    EXPECT_EQ(opened.message_count, 240);
    ASSERT_EQ(opened.messages.size(), 240U);
    for (std::size_t i = 0; i < 240; ++i) {
        const std::string line = line_of(opened.messages[i]);
        EXPECT_TRUE(expected[i].starts_with(line)) << line; // no scratchpads
    }
}

TEST_P(SessionTurns, KeepTheirTexts) {
    std::string all_signs;
    for (char c = 1; c < 127; ++c)
        all_signs.push_back(c);
    const Lines texts = {
        ":",
        "::",
        "u",
        "a",
        "u123:fake",
        "a1700000000000:I am Aela.",
        "ok",
        "late",
        "lost",
        "busy",
        "exists",
        "",
        " ",
        "\n",
        "\r\n\r\n",
        "$1 $4 ?",
        "'; DROP TABLE messages; --",
        "\\x41 \\ \\\\",
        "%00 %s %d",
        "{c:1:chat}",
        "*3\r\n$3\r\nDEL\r\n",
        all_signs,
        "J\u00f6rg \u9f8d \U0001F600 e\u0301 \u2028 \ufeff",
        std::string(32'768, 'x'),
        std::string(10'000, ':'),
        "NULL",
        "0",
        "1e5",
        "user",
        "assistant",
    };
    Lines expected;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::string& answer = texts[texts.size() - 1 - i];
        const std::string& pad = texts[(i * 7) % texts.size()];
        say(chat(), texts[i], answer, pad);
        expected.push_back(line_of({Speaker::user, texts[i], "", 1000}));
        expected.push_back(line_of({Speaker::assistant, answer, pad, 1001}));
    }
    EXPECT_EQ(said(chat()), expected);
    const OpenChat opened = look(chat());
    ASSERT_EQ(opened.messages.size(), texts.size() * 2);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        EXPECT_EQ(opened.messages[2 * i].text, texts[i]);
        EXPECT_EQ(opened.messages[2 * i].speaker, Speaker::user);
        EXPECT_EQ(opened.messages[2 * i + 1].text, texts[texts.size() - 1 - i]);
        EXPECT_EQ(opened.messages[2 * i + 1].speaker, Speaker::assistant);
    }
}

TEST_P(SessionTurns, BelongToOneNpc) {
    say(chat(), "q", "a");
    EXPECT_EQ(open_status(chat(), "other"), 409);
    EXPECT_EQ(open_status(chat(), ""), 409);
    EXPECT_EQ(open_status(chat(), "npc2"), 409);
    const OpenChat opened = open(chat(), "npc"); // the refused ones hold no lease
    EXPECT_EQ(commit(opened.lease, turn("q2", "a2")), 200);
    EXPECT_EQ(look(chat(), std::nullopt).npc_id, "npc");
    EXPECT_EQ(said(chat()).size(), 4U);
}

TEST_P(SessionTurns, OfThePlainAssistantAreItsOwn) {
    EXPECT_EQ(commit(open(chat(), "").lease, turn("q", "a", "", 1000, "")), 200);
    EXPECT_EQ(look(chat(), "").npc_id, "");
    EXPECT_EQ(open_status(chat(), "npc"), 409);
    EXPECT_EQ(history(chat())->npc_id, "");
}

TEST_P(SessionTurns, OfOtherUsersAreOtherChats) {
    const ChatKey theirs{other_user, "chat"};
    say(chat(), "mine", "yours");
    EXPECT_FALSE(history(theirs).has_value());
    const OpenChat opened = open(theirs, "other");
    EXPECT_FALSE(opened.exists);
    EXPECT_TRUE(opened.messages.empty());
    EXPECT_EQ(commit(opened.lease, turn("theirs", "theirs", "", 1000, "other")), 200);
    EXPECT_EQ(said(chat()), (Lines{"user 1000: mine", "npc 1001: yours"}));
    EXPECT_EQ(said(theirs), (Lines{"user 1000: theirs", "npc 1001: theirs"}));
    EXPECT_EQ(history(chat())->npc_id, "npc");
    EXPECT_EQ(history(theirs)->npc_id, "other");
}

TEST_P(SessionTurns, OfOtherChatsAreOtherChats) {
    say(chat("Chat"), "q", "a");
    for (const auto* id : {"chat", "Chat_", "Chat-", "Chat1", "C"})
        EXPECT_FALSE(history(chat(id)).has_value()) << id;
}

TEST_P(SessionTurns, OfTheAdminAreStoredToo) {
    const ChatKey key{kAdminId, "contract" + std::to_string(user)};
    say(key, "q", "a");
    EXPECT_EQ(said(key).size(), 2U);
}

TEST_P(SessionTurns, ComeNewestFirstWithinABudget) {
    for (int i = 0; i < 5; ++i)
        say(chat(), std::string(999, 'q') + std::to_string(i), std::string(999, 'a') + std::to_string(i));
    const Lines all = said(chat());
    // As many as fit, or one more: the prompt counts exactly.
    for (const auto& [budget, least] :
         {std::pair{500U, 0U}, {1'000U, 1U}, {3'500U, 3U}, {9'000U, 9U}, {50'000U, 10U}}) {
        const OpenChat opened = look(chat(), "npc", budget);
        EXPECT_GE(opened.messages.size(), least) << budget;
        EXPECT_LE(opened.messages.size(), std::min(least + 1U, 10U)) << budget;
        EXPECT_EQ(lines_of(opened.messages),
                  Lines(all.end() - static_cast<long>(opened.messages.size()), all.end()));
        EXPECT_EQ(opened.message_count, 10);
    }
}

TEST_P(SessionTurns, ABudgetIsInBytes) {
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "\u9f8d"; // three bytes each
    for (int i = 0; i < 5; ++i)
        say(chat(), text, text);
    const auto count = look(chat(), "npc", 10'000).messages.size();
    EXPECT_GE(count, 3U);
    EXPECT_LE(count, 4U);
}

TEST_P(SessionTurns, ABudgetMayHoldManyShortOnes) {
    for (int i = 0; i < 100; ++i)
        say(chat(), "q", "a");
    EXPECT_EQ(look(chat(), "npc", 32'768).messages.size(), 200U);
}

TEST_P(SessionTurns, KeepTheTagsOfRepeats) {
    Turn tagged = turn("q #1:", "a");
    tagged.question.repeat_tag = "0123456789abcdef0123456789abcdef";
    EXPECT_EQ(commit(open(chat()).lease, std::move(tagged)), 200);
    say(chat(), "#: q2", "#a2");
    const OpenChat opened = look(chat());
    ASSERT_EQ(opened.messages.size(), 4U);
    EXPECT_EQ(opened.messages[0].repeat_tag, "0123456789abcdef0123456789abcdef");
    for (std::size_t i = 1; i < 4; ++i)
        EXPECT_EQ(opened.messages[i].repeat_tag, "") << i;
    EXPECT_EQ(lines_of(opened.messages),
              (Lines{"user 1000: q #1:", "npc 1001: a", "user 1000: #: q2", "npc 1001: #a2"}));
    EXPECT_EQ(said(chat()), lines_of(opened.messages));
}

TEST_P(SessionTurns, AreAllOfAChatOrNone) {
    EXPECT_FALSE(history(chat("never")).has_value());
    EXPECT_TRUE(loop.run(node.sessions().ping()).has_value());
}

TEST_P(SessionTurns, EndWithAnIdleChat) {
    if (GetParam() == Kind::tiered) GTEST_SKIP() << "it ends in the archive alone";
    Node impatient(loop, home, {.idle_ttl = 300});
    const auto forgotten = [&](const ChatKey& key) {
        return loop.poll(
            kPatience,
            [&]() -> Task<Result<std::optional<ChatHistory>>> {
                co_await impatient.sessions().sweep();
                co_return co_await impatient.sessions().history(key);
            },
            [](const auto& found) { return found.has_value() && !*found; });
    };
    say(chat("other"), "q", "a"); // with another node's patience, which the databases do not store
    const Lease lease = loop.run(impatient.sessions().open(chat(), "npc", kEverything)).value().lease;
    EXPECT_TRUE(loop.run(impatient.sessions().commit(lease, turn("q", "a", "thought"))).has_value());
    EXPECT_TRUE(forgotten(chat()));
    EXPECT_FALSE(look(chat()).exists);
    EXPECT_EQ(commit(open(chat(), "other").lease, turn("new", "new", "", 5, "other")), 200);
    EXPECT_EQ(said(chat()), (Lines{"user 5: new", "npc 6: new"})); // no old scratchpad
}

TEST_P(SessionTurns, AreSweptOnlyWhereIdle) {
    say(chat(), "q", "a");
    loop.run(node.sessions().sweep());
    EXPECT_EQ(said(chat()).size(), 2U);
    const OpenChat opened = open(chat());
    loop.run(node.sessions().sweep());
    EXPECT_EQ(commit(opened.lease, turn("q", "a")), 200);
}

TEST_P(SessionTurns, AUserCanBeForgotten) {
    say(chat("a"), "q", "a", "thought");
    say(chat("b"), "q", "a");
    remember(chat("b"), "memory", 2);
    say(ChatKey{other_user, "a"}, "q", "a");
    const OpenChat under_way = open(chat("a"));
    ASSERT_TRUE(loop.run(node.sessions().forget_user(user)).has_value());
    EXPECT_FALSE(history(chat("a")).has_value());
    EXPECT_FALSE(history(chat("b")).has_value());
    EXPECT_EQ(look(chat("b")).memory, "");
    EXPECT_EQ(said(ChatKey{other_user, "a"}).size(), 2U);
    // The turn has lost its chat.
    EXPECT_EQ(commit(under_way.lease, turn("q", "a")), 503);
    EXPECT_TRUE(loop.run(node.sessions().forget_user(user)).has_value());
}

} // namespace
} // namespace npcchat::testing
