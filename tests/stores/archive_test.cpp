// Chats between Redis and the database: archived, let go, brought back.
#include "session/archiver.hpp"
#include "session/chat_copy.hpp"
#include "tests/stores/session_fixture.hpp"

#include <set>

namespace npcchat::testing {
namespace {

class Archive : public SessionTest {
  protected:
    static constexpr Millis kAfter = 400;

    // An archiver that works until the test's end.
    void begin_archiving() {
        archiver = std::make_unique<Archiver>(loop.executor(), quick.redis(), quick.tiered(), quick.catalog(),
                                              kAfter, 3'600'000);
        spawn(loop.executor(), "archiver", [this] { return archiver->run(); });
    }
    // A turn that hints at the archiver's times.
    void say_quick(const std::string& question) {
        const auto opened = loop.run(quick.sessions().open(chat(), "npc", kEverything)).value();
        const auto done = loop.run(quick.sessions().commit(opened.lease, turn(question, "a", "p", now_ms())));
        ASSERT_TRUE(done.has_value());
    }
    // As look(), with the archiver's times.
    OpenChat look_quick(const ChatKey& key) {
        OpenChat opened = loop.run(quick.sessions().open(key, std::nullopt, kEverything)).value();
        loop.run(quick.sessions().release(opened.lease));
        return opened;
    }
    bool is_live(const ChatKey& key) {
        return loop.run(quick.tiered().live().state(key)).value().has_value();
    }
    Lines archived(const ChatKey& key) {
        const auto found = loop.run(quick.tiered().archive().history(key)).value();
        return found ? lines_of(found->messages) : Lines{};
    }
    // What Redis answers to a command on one of the archiver's queues.
    std::int64_t ask(std::string_view command, int queue) {
        const std::string key = fmt::format("npcchat:{{q:{}}}:archive", queue);
        return loop.run(quick.redis().command({command, key})).value().integer();
    }
    std::int64_t hints() {
        std::int64_t all = 0;
        for (int queue = 0; queue < ArchiveQueue::kQueues; ++queue)
            all += ask("ZCARD", queue);
        return all;
    }
    void wait_until_it_left(const ChatKey& key) {
        EXPECT_TRUE(loop.run_until([&] { return !is_live(key); }, kPatience));
    }

    Node quick{loop, home, {.archive_after = kAfter}};
    std::unique_ptr<Archiver> archiver;
};

INSTANTIATE_TEST_SUITE_P(All, Archive, ::testing::Values(Kind::tiered), kind_name);

TEST_P(Archive, TakesIdleChatsAndGivesThemBack) {
    begin_archiving();
    say_quick("q1");
    const auto told = loop.run(quick.sessions().open(chat(), std::nullopt, kEverything)).value();
    ASSERT_TRUE(loop.run(quick.sessions().commit_memory(told.lease, "memory", 2)).has_value());
    const Lines first = said(chat());
    wait_until_it_left(chat());
    EXPECT_EQ(archived(chat()), first);
    EXPECT_EQ(said(chat()), first);
    EXPECT_EQ(history(chat())->memory, "memory");

    EXPECT_EQ(open_status(chat(), "other"), 409);
    const OpenChat back = look_quick(chat());
    EXPECT_EQ(back.memory, "memory");
    EXPECT_EQ(back.message_count, 2);
    EXPECT_TRUE(back.messages.empty()); // the memory stands for them
    EXPECT_TRUE(is_live(chat()));
    EXPECT_EQ(said(chat()), first);
    say_quick("q2");
    const Lines both = said(chat());
    EXPECT_EQ(both.size(), 4U);
    EXPECT_EQ(look_quick(chat()).messages.size(), 2U);
    wait_until_it_left(chat());
    EXPECT_EQ(archived(chat()), both);
    EXPECT_EQ(said(chat()), both);
    EXPECT_GE(archiver->metrics().chats.load(), 2);
    EXPECT_GE(archiver->metrics().messages.load(), 4);
}

TEST_P(Archive, LeavesChatsThatAreAnswering) {
    say(chat(), "q", "a", "", now_ms() - 10'000);
    const OpenChat held = open(chat());
    const auto state = loop.run(quick.tiered().live().state(chat())).value().value();
    EXPECT_EQ(state.count, 2);
    EXPECT_FALSE(loop.run(quick.tiered().live().let_end(chat(), state, 1)).value());
    EXPECT_EQ(commit(held.lease, turn("q2", "a2")), 200);
    EXPECT_FALSE(loop.run(quick.tiered().live().let_end(chat(), state, 1)).value()) << "it has changed";
    EXPECT_EQ(said(chat()).size(), 4U);
}

TEST_P(Archive, AChatThatIsOpenedDoesNotEnd) {
    say(chat(), "q", "a");
    const auto state = loop.run(quick.tiered().live().state(chat())).value().value();
    EXPECT_TRUE(loop.run(quick.tiered().live().let_end(chat(), state, 300)).value());
    const OpenChat held = open(chat());
    loop.run_for(400ms);
    loop.run(node.sessions().renew(held.lease));
    EXPECT_EQ(commit(held.lease, turn("q2", "a2")), 200);
    EXPECT_EQ(said(chat()).size(), 4U);
}

TEST_P(Archive, FindsWhatNoHintNames) {
    const std::int64_t before = hints();
    for (int i = 0; i < 20; ++i)
        say(chat("lost" + std::to_string(i)), "q", "a", "", now_ms());
    ASSERT_TRUE(loop.run_until([&] { return hints() >= before + 20; }, kPatience));
    for (int queue = 0; queue < ArchiveQueue::kQueues; ++queue)
        ask("DEL", queue);
    begin_archiving();
    for (int i = 0; i < 20; ++i)
        wait_until_it_left(chat("lost" + std::to_string(i)));
    EXPECT_GE(archiver->metrics().found.load(), 20);
    EXPECT_EQ(archived(chat("lost7")).size(), 2U);
}

TEST_P(Archive, KeepsInRedisWhatAnotherChatOfThatNameWouldHide) {
    ASSERT_TRUE(loop.run(quick.tiered().archive().import_chat(
                             chat(), ChatHistory{"npc", "", {{Speaker::user, "older", "", 1}}}))
                    .value());
    ASSERT_TRUE(loop.run(quick.tiered().live().import_chat(
                             chat(), ChatHistory{"npc", "", {{Speaker::user, "newer", "", 2}}}))
                    .value());
    begin_archiving();
    EXPECT_TRUE(loop.run_until([&] { return archiver->metrics().failures.load() > 0; }, kPatience));
    loop.run_for(std::chrono::milliseconds(2 * kAfter));
    EXPECT_TRUE(is_live(chat()));
    EXPECT_EQ(archived(chat()), Lines{"user 1: older"});
}

TEST_P(Archive, AnArchivedChatOfADeletedUserIsGone) {
    say_quick("q");
    begin_archiving();
    wait_until_it_left(chat());
    ASSERT_TRUE(loop.run(quick.sessions().forget_user(user)).has_value());
    EXPECT_FALSE(history(chat()).has_value());
    EXPECT_FALSE(look(chat()).exists);
}

class Copies : public SessionTest {
  protected:
    ChatCopy::Found copy(ChatKey key, ChatPart part) {
        return loop.run(into.add(std::move(key), std::move(part))).value();
    }
    static Message message(int number) {
        return {number % 2 ? Speaker::user : Speaker::assistant, std::to_string(number), "", number};
    }
    static ChatPart part(std::int64_t count, int first, int last, std::string memory = "m",
                         std::int64_t remembered = 0) {
        ChatPart made{count, first, {"npc", std::move(memory), {}, remembered, 5}};
        for (int number = first; number <= last; ++number)
            made.history.messages.push_back(message(number));
        return made;
    }

    ChatCopy into{node.sessions()};
};

INSTANTIATE_TEST_SUITE_P(All, Copies,
                         ::testing::Values(Kind::sqlite, Kind::postgresql, Kind::redis, Kind::redis_cluster,
                                           Kind::tiered),
                         kind_name);

TEST_P(Copies, GoOnWhereTheyWereInterrupted) {
    using enum ChatCopy::Found;
    EXPECT_EQ(copy(chat(), part(10, 1, 4)), added);
    EXPECT_EQ(copy(chat(), part(10, 8, 10)), incomplete);
    EXPECT_EQ(copy(chat(), part(10, 1, 4)), same);
    EXPECT_EQ(copy(chat(), part(10, 3, 8)), added);
    EXPECT_EQ(copy(chat(), part(10, 9, 10)), added);
    EXPECT_EQ(copy(chat(), part(10, 1, 10)), same);
    const Lines lines = said(chat());
    ASSERT_EQ(lines.size(), 10U);
    EXPECT_EQ(lines[7], "npc 8: 8");
    EXPECT_EQ(history(chat())->npc_id, "npc");
    EXPECT_EQ(look(chat()).message_count, 10);
    // A chat that went on here is left as it is, one that went on there is gone on with.
    say(chat(), "q", "a");
    EXPECT_EQ(copy(chat(), part(10, 1, 10, "other")), same);
    EXPECT_EQ(history(chat())->memory, "m");
    EXPECT_EQ(copy(chat("later"), part(2, 1, 2)), added);
    EXPECT_EQ(copy(chat("later"), part(4, 1, 4, "newer", 4)), added);
    EXPECT_EQ(history(chat("later"))->memory, "newer");
    EXPECT_TRUE(look(chat("later")).messages.empty());
    EXPECT_EQ(copy(chat("later"), part(4, 1, 4, "newest", 4)), same);
}

TEST_P(Copies, AreNotMixedWithOtherChats) {
    using enum ChatCopy::Found;
    say(chat(), "q", "a");
    EXPECT_EQ(copy(chat(), part(3, 1, 2)), other);
    EXPECT_EQ(copy(chat(), part(3, 3, 3)), other);
    EXPECT_EQ(said(chat()).size(), 2U);
    EXPECT_EQ(copy(chat("memory"), {0, 1, {std::nullopt, "alone", {}}}), added);
    EXPECT_EQ(copy(chat("memory"), {0, 1, {std::nullopt, "alone", {}}}), same);
    EXPECT_EQ(history(chat("memory"))->memory, "alone");
    EXPECT_EQ(copy(chat("nothing"), {0, 1, {}}), same);
    const auto all = loop.run(node.sessions().chats()).value();
    std::set<std::string> names;
    for (const ChatKey& key : all) {
        if (key.user_id == user) names.insert(key.chat_id);
    }
    EXPECT_EQ(names, (std::set<std::string>{"chat", "memory"}));
}

} // namespace
} // namespace npcchat::testing
