#include "tests/stores/session_fixture.hpp"

namespace npcchat::testing {
namespace {

class SessionMemory : public SessionTest {
  protected:
    static ChatHistory imported(std::string memory, std::vector<Message> messages) {
        return ChatHistory{std::nullopt, std::move(memory), std::move(messages)};
    }
};

INSTANTIATE_TEST_SUITE_P(All, SessionMemory,
                         ::testing::Values(Kind::sqlite, Kind::postgresql, Kind::redis, Kind::redis_cluster,
                                           Kind::tiered),
                         kind_name);

TEST_P(SessionMemory, StandsForWhatWasSaidBefore) {
    say(chat(), "q1", "a1", "p1");
    remember(chat(), "Met a friend.", 2);
    const OpenChat opened = look(chat(), "npc");
    EXPECT_TRUE(opened.exists);
    EXPECT_EQ(opened.npc_id, "npc");
    EXPECT_EQ(opened.memory, "Met a friend.");
    EXPECT_EQ(opened.message_count, 2);
    EXPECT_TRUE(opened.messages.empty());
}

TEST_P(SessionMemory, LeavesTheHistoryWhole) {
    say(chat(), "q1", "a1", "p1", 10);
    remember(chat(), "first", 2);
    say(chat(), "q2", "a2", "", 20);
    say(chat(), "q3", "a3", "p3", 30);
    const OpenChat opened = look(chat());
    EXPECT_EQ(opened.memory, "first");
    EXPECT_EQ(opened.message_count, 6);
    EXPECT_EQ(lines_of(opened.messages), (Lines{"user 20: q2", "npc 21: a2", "user 30: q3", "npc 31: a3"}));
    remember(chat(), "second", 6);
    EXPECT_TRUE(look(chat()).messages.empty());
    const auto whole = history(chat()).value();
    EXPECT_EQ(whole.memory, "second");
    EXPECT_EQ(whole.npc_id, "npc");
    EXPECT_EQ(lines_of(whole.messages), (Lines{"user 10: q1", "npc 11: a1 [p1]", "user 20: q2", "npc 21: a2",
                                               "user 30: q3", "npc 31: a3 [p3]"}));
}

TEST_P(SessionMemory, MayBeOfAPart) {
    say(chat(), "q1", "a1");
    say(chat(), "q2", "a2");
    remember(chat(), "of the first turn", 2);
    const OpenChat opened = look(chat());
    EXPECT_EQ(opened.message_count, 4);
    EXPECT_EQ(lines_of(opened.messages), (Lines{"user 1000: q2", "npc 1001: a2"}));
}

TEST_P(SessionMemory, IsKeptAsItIs) {
    const std::string memory =
        "### PREVIOUS: J\u00f6rg \u9f8d \U0001F600 'x' \\ $1\r\n" + std::string(40'000, 'm');
    say(chat(), "q1", "a1");
    remember(chat(), memory, 2);
    EXPECT_EQ(look(chat()).memory, memory);
    EXPECT_EQ(history(chat())->memory, memory);
}

TEST_P(SessionMemory, IsOneUsersOwn) {
    say(chat(), "q1", "a1");
    remember(chat(), "mine", 2);
    EXPECT_EQ(look(ChatKey{other_user, "chat"}).memory, "");
    EXPECT_FALSE(history(ChatKey{other_user, "chat"}).has_value());
}

TEST_P(SessionMemory, HasABudgetOfItsOwn) {
    say(chat(), "q1", "a1");
    remember(chat(), std::string(10'000, 'm'), 2);
    say(chat(), std::string(500, 'q'), std::string(500, 'a'));
    const OpenChat opened = look(chat(), "npc", 1'100);
    EXPECT_EQ(opened.memory.size(), 10'000U);
    EXPECT_EQ(opened.messages.size(), 2U);
}

// The chat's time may run out while the model reflects.
TEST_P(SessionMemory, OfAChatThatEndedMeanwhileHidesNothing) {
    if (GetParam() == Kind::tiered) GTEST_SKIP() << "it ends in the archive alone";
    Node impatient(loop, home, {.idle_ttl = 200});
    const Lease first = loop.run(impatient.sessions().open(chat(), "npc", kEverything)).value().lease;
    ASSERT_TRUE(loop.run(impatient.sessions().commit(first, turn("q1", "a1"))).has_value());
    const OpenChat opened = open(chat());
    ASSERT_EQ(opened.message_count, 2);
    const bool ended = loop.poll(
        kPatience,
        [&]() -> Task<Result<std::optional<ChatHistory>>> {
            co_await impatient.sessions().sweep();
            co_await impatient.sessions().renew(opened.lease);
            co_return co_await impatient.sessions().history(chat());
        },
        [](const auto& found) { return found.has_value() && !*found; });
    ASSERT_TRUE(ended);
    EXPECT_EQ(commit_memory(opened.lease, "memory", opened.message_count), 200);
    say(chat(), "q2", "a2");
    EXPECT_EQ(lines_of(look(chat()).messages), (Lines{"user 1000: q2", "npc 1001: a2"}));
}

TEST_P(SessionMemory, ImportsAChat) {
    ChatHistory given = imported("Old friend.", {{Speaker::user, "hi", "", 5},
                                                 {Speaker::assistant, "Hail.", "thought", 6},
                                                 {Speaker::assistant, "J\u00f6rg: a:b", "", 6},
                                                 {Speaker::user, "", "", 6}});
    EXPECT_TRUE(import(chat(), given));
    const Lines expected = {"user 5: hi", "npc 6: Hail. [thought]", "npc 6: J\u00f6rg: a:b", "user 6: "};
    EXPECT_EQ(said(chat()), expected);
    EXPECT_EQ(history(chat())->memory, "Old friend.");
    EXPECT_EQ(history(chat())->npc_id, std::nullopt);
    const OpenChat opened = look(chat(), "any");
    EXPECT_TRUE(opened.exists);
    EXPECT_EQ(opened.npc_id, std::nullopt);
    EXPECT_EQ(opened.memory, "Old friend.");
    EXPECT_EQ(opened.message_count, 4);
    EXPECT_EQ(opened.messages.size(), 4U);
}

TEST_P(SessionMemory, AnImportedChatBindsWithItsFirstTurn) {
    EXPECT_TRUE(
        import(chat(), imported("m", {{Speaker::user, "hi", "", 5}, {Speaker::assistant, "Hail.", "t", 6}})));
    loop.run(node.sessions().release(open(chat(), "one").lease)); // opening binds nothing
    EXPECT_EQ(commit(open(chat(), "two").lease, turn("q", "a", "p", 1000, "two")), 200);
    EXPECT_EQ(open_status(chat(), "one"), 409);
    EXPECT_EQ(look(chat(), "two").npc_id, "two");
    EXPECT_EQ(said(chat()), (Lines{"user 5: hi", "npc 6: Hail. [t]", "user 1000: q", "npc 1001: a [p]"}));
}

TEST_P(SessionMemory, AnImportedChatCanBeRemembered) {
    EXPECT_TRUE(
        import(chat(), imported("", {{Speaker::user, "hi", "", 5}, {Speaker::assistant, "Hail.", "", 6}})));
    remember(chat(), "new", 2);
    const OpenChat opened = look(chat(), "any");
    EXPECT_EQ(opened.memory, "new");
    EXPECT_EQ(opened.npc_id, std::nullopt);
    EXPECT_TRUE(opened.messages.empty());
}

TEST_P(SessionMemory, ImportsOnce) {
    const ChatHistory given = imported("m", {{Speaker::user, "hi", "", 5}});
    EXPECT_TRUE(import(chat(), given));
    EXPECT_FALSE(import(chat(), given));
    EXPECT_EQ(said(chat()), Lines{"user 5: hi"});
    say(chat(), "q", "a");
    EXPECT_FALSE(import(chat(), imported("other", {{Speaker::user, "other", "", 9}})));
    EXPECT_EQ(said(chat()), (Lines{"user 5: hi", "user 1000: q", "npc 1001: a"}));
    EXPECT_EQ(history(chat())->memory, "m");
    EXPECT_TRUE(import(ChatKey{other_user, "chat"}, given));
}

TEST_P(SessionMemory, ImportsNoChatOverAnother) {
    say(chat(), "q", "a", "p");
    EXPECT_FALSE(import(chat(), imported("m", {{Speaker::assistant, "hi", "x", 5}})));
    EXPECT_EQ(said(chat()), (Lines{"user 1000: q", "npc 1001: a [p]"}));
    EXPECT_EQ(history(chat())->npc_id, "npc");
    EXPECT_EQ(history(chat())->memory, "");
}

TEST_P(SessionMemory, TwoImportsAtOnceAreOne) {
    Node second(loop, home);
    for (int round = 0; round < 10; ++round) {
        const ChatKey key = chat("race" + std::to_string(round));
        const ChatHistory given =
            imported("m", {{Speaker::user, "hi", "", 5}, {Speaker::assistant, "yes", "p", 6}});
        const auto one = loop.start(node.sessions().import_chat(key, given));
        const auto two = loop.start(second.sessions().import_chat(key, given));
        EXPECT_NE(loop.finish(one).value(), loop.finish(two).value());
        EXPECT_EQ(said(key), (Lines{"user 5: hi", "npc 6: yes [p]"}));
    }
}

TEST_P(SessionMemory, ImportsAMemoryAlone) {
    EXPECT_TRUE(import(chat(), imported("Old friend.", {})));
    EXPECT_TRUE(look(chat()).exists);
    EXPECT_EQ(look(chat()).memory, "Old friend.");
    ASSERT_TRUE(history(chat()).has_value());
    EXPECT_TRUE(history(chat())->messages.empty());
    EXPECT_FALSE(import(chat(), imported("Another.", {})));
}

// A list of the seed's of which no entry was a message.
TEST_P(SessionMemory, AChatOfNothingIsNone) {
    import(chat(), imported("", {}));
    EXPECT_FALSE(look(chat()).exists);
    EXPECT_FALSE(history(chat()).has_value());
    say(chat(), "q", "a");
    EXPECT_EQ(said(chat()).size(), 2U);
}

TEST_P(SessionMemory, ImportsLongChats) {
    std::vector<Message> messages;
    for (int i = 0; i < 3000; ++i)
        messages.push_back({i % 2 ? Speaker::assistant : Speaker::user, "m" + std::to_string(i), "", i});
    EXPECT_TRUE(import(chat(), imported("", messages)));
    EXPECT_EQ(said(chat()), lines_of(messages));
    EXPECT_EQ(look(chat()).messages.size(), 3000U);
}

} // namespace
} // namespace npcchat::testing
