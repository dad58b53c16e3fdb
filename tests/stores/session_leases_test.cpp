#include "session/lease_keeper.hpp"
#include "tests/stores/session_fixture.hpp"

namespace npcchat::testing {
namespace {

constexpr auto kLease = std::chrono::milliseconds(kLeaseMillis);

class SessionLeases : public SessionTest {
  protected:
    // How long it takes until the chat can be opened, and the lease that this gives.
    std::pair<Clock::duration, Lease> wait_free(const ChatKey& key) {
        const auto begun = Clock::now();
        Lease lease;
        const bool is_free = loop.poll(
            3 * kLease, [&] { return node.sessions().open(key, "npc", kEverything); },
            [&](const Result<OpenChat>& opened) {
                if (opened)
                    lease = opened->lease;
                else
                    EXPECT_EQ(opened.error().status, 409);
                return opened.has_value();
            });
        EXPECT_TRUE(is_free);
        return {Clock::now() - begun, lease};
    }
};

INSTANTIATE_TEST_SUITE_P(All, SessionLeases,
                         ::testing::Values(Kind::sqlite, Kind::postgresql, Kind::redis, Kind::redis_cluster,
                                           Kind::tiered),
                         kind_name);

TEST_P(SessionLeases, ANewChatIsEmpty) {
    const OpenChat opened = open(chat());
    EXPECT_FALSE(opened.exists);
    EXPECT_EQ(opened.npc_id, std::nullopt);
    EXPECT_EQ(opened.memory, "");
    EXPECT_EQ(opened.message_count, 0);
    EXPECT_TRUE(opened.messages.empty());
    EXPECT_EQ(opened.lease.chat.user_id, user);
    EXPECT_EQ(opened.lease.chat.chat_id, "chat");
    EXPECT_GE(opened.lease.token.size(), 16U);
}

TEST_P(SessionLeases, OpeningMakesNoChat) {
    const OpenChat opened = open(chat());
    EXPECT_FALSE(history(chat()).has_value());
    loop.run(node.sessions().release(opened.lease));
    EXPECT_FALSE(history(chat()).has_value());
    EXPECT_FALSE(look(chat()).exists);
}

TEST_P(SessionLeases, AnOpenChatIsBusy) {
    const OpenChat opened = open(chat());
    EXPECT_EQ(open_status(chat()), 409);
    EXPECT_EQ(open_status(chat(), std::nullopt), 409);
    EXPECT_EQ(open_status(chat(), "other"), 409);
    EXPECT_EQ(open_status(chat("chat2")), 200);
    EXPECT_EQ(open_status(ChatKey{other_user, "chat"}), 200);
    EXPECT_EQ(commit(opened.lease, turn("q", "a")), 200);
}

TEST_P(SessionLeases, AreGivenBack) {
    const OpenChat first = open(chat());
    loop.run(node.sessions().release(first.lease));
    const OpenChat second = open(chat());
    EXPECT_NE(first.lease.token, second.lease.token);
    EXPECT_EQ(commit(second.lease, turn("q", "a")), 200);
    const OpenChat third = open(chat());
    EXPECT_EQ(commit_memory(third.lease, "memory", 2), 200);
    EXPECT_EQ(open_status(chat()), 200);
}

TEST_P(SessionLeases, AreGivenBackWithAConfirmation) {
    const Lease lease = open(chat()).lease;
    EXPECT_TRUE(loop.run(node.sessions().confirm(lease)).has_value());
    const Lease next = open(chat()).lease;
    const auto lost = loop.run(node.sessions().confirm(lease));
    ASSERT_FALSE(lost.has_value());
    EXPECT_EQ(lost.error().status, 503);
    EXPECT_EQ(open_status(chat()), 409); // the next one's is still held
    EXPECT_TRUE(loop.run(node.sessions().confirm(next)).has_value());
}

TEST_P(SessionLeases, OnlyTheirHolderGivesThemBack) {
    const OpenChat opened = open(chat());
    loop.run(node.sessions().release(Lease{chat(), "another"}));
    loop.run(node.sessions().release(Lease{chat("chat2"), opened.lease.token}));
    loop.run(node.sessions().release(Lease{ChatKey{other_user, "chat"}, opened.lease.token}));
    EXPECT_EQ(open_status(chat()), 409);
    loop.run(node.sessions().release(opened.lease));
    EXPECT_EQ(open_status(chat()), 200);
}

TEST_P(SessionLeases, WhoHasNoneStoresNothing) {
    const OpenChat opened = open(chat());
    EXPECT_EQ(commit(Lease{chat(), "another"}, turn("q", "a")), 503);
    EXPECT_EQ(commit(Lease{chat(), ""}, turn("q", "a")), 503);
    EXPECT_EQ(commit(Lease{chat("chat2"), opened.lease.token}, turn("q", "a")), 503);
    EXPECT_EQ(commit(Lease{ChatKey{other_user, "chat"}, opened.lease.token}, turn("q", "a")), 503);
    EXPECT_EQ(commit_memory(Lease{chat(), "another"}, "memory", 0), 503);
    for (const auto& key : {chat(), chat("chat2"), ChatKey{other_user, "chat"}})
        EXPECT_FALSE(history(key).has_value());
    EXPECT_EQ(open_status(chat()), 409); // its holder has lost nothing
    EXPECT_EQ(commit(opened.lease, turn("q", "a")), 200);
}

TEST_P(SessionLeases, AreForOneTurn) {
    const OpenChat opened = open(chat());
    EXPECT_EQ(commit(opened.lease, turn("q1", "a1")), 200);
    EXPECT_EQ(commit(opened.lease, turn("q2", "a2")), 503);
    EXPECT_EQ(commit_memory(opened.lease, "memory", 2), 503);
    EXPECT_EQ(said(chat()), (Lines{"user 1000: q1", "npc 1001: a1"}));
    EXPECT_EQ(history(chat())->memory, "");
}

TEST_P(SessionLeases, EndByThemselves) {
    const OpenChat old = open(chat());
    const OpenChat unwanted = open(chat("chat2"));
    const auto [waited, lease] = wait_free(chat());
    EXPECT_GE(waited, kLease - std::chrono::milliseconds(200));
    EXPECT_LE(waited, kLease + std::chrono::milliseconds(1500));
    EXPECT_EQ(commit(old.lease, turn("old", "old")), 503);
    EXPECT_EQ(commit_memory(old.lease, "old", 0), 503);
    loop.run(node.sessions().renew(old.lease));
    loop.run(node.sessions().release(old.lease));
    EXPECT_EQ(open_status(chat()), 409);
    EXPECT_EQ(commit(lease, turn("new", "new")), 200);
    EXPECT_EQ(said(chat()), (Lines{"user 1000: new", "npc 1001: new"}));
    // Once ended it cannot be revived, also where nobody has taken the chat since.
    loop.run(node.sessions().renew(unwanted.lease));
    EXPECT_EQ(commit(unwanted.lease, turn("q", "a")), 503);
    EXPECT_FALSE(history(chat("chat2")).has_value());
    EXPECT_EQ(open_status(chat("chat2")), 200);
}

TEST_P(SessionLeases, LiveWhileTheyAreRenewed) {
    const OpenChat opened = open(chat());
    const OpenChat left_alone = open(chat("chat2"));
    const auto begun = Clock::now();
    auto renewed = begun;
    while (Clock::now() < begun + kLease * 6 / 5) {
        ASSERT_EQ(open_status(chat()), 409);
        loop.run_for(kPollInterval);
        loop.run(node.sessions().renew(Lease{chat("chat2"), "another"})); // changes nothing
        if (Clock::now() < renewed + kLease / 3) continue;
        loop.run(node.sessions().renew(opened.lease));
        renewed = Clock::now();
    }
    EXPECT_EQ(open_status(chat("chat2")), 200);
    EXPECT_EQ(commit(opened.lease, turn("q", "a")), 200);
    EXPECT_EQ(open_status(chat()), 200);
}

TEST_P(SessionLeases, AreRenewedByTheirKeeper) {
    LeaseKeeper keeper(loop.executor(), node.sessions());
    const OpenChat held = open(chat());
    const OpenChat dropped = open(chat("chat2"));
    auto hold = std::make_unique<LeaseKeeper::Hold>(keeper, held.lease);
    std::make_unique<LeaseKeeper::Hold>(keeper, dropped.lease).reset();
    const auto begun = Clock::now();
    while (Clock::now() < begun + kLease * 6 / 5) {
        ASSERT_EQ(open_status(chat()), 409);
        loop.run_for(kPollInterval);
    }
    EXPECT_EQ(open_status(chat("chat2")), 200);
    EXPECT_EQ(commit(held.lease, turn("q", "a")), 200);
}

TEST_P(SessionLeases, OneOfTwoWhoOpenGetsIt) {
    Node second(loop, home);
    for (int round = 0; round < 20; ++round) {
        const ChatKey key = chat("race" + std::to_string(round));
        const auto one = loop.start(node.sessions().open(key, "npc", kEverything));
        const auto two = loop.start(second.sessions().open(key, "npc", kEverything));
        const auto first = loop.finish(one);
        const auto other = loop.finish(two);
        ASSERT_NE(first.has_value(), other.has_value());
        EXPECT_EQ((first ? other : first).error().status, 409);
        EXPECT_EQ(commit((first ? first : other)->lease, turn("q", "a")), 200);
    }
}

TEST_P(SessionLeases, OneOfTwoWhoCommitWins) {
    Node second(loop, home);
    for (int round = 0; round < 20; ++round) {
        const ChatKey key = chat("race" + std::to_string(round));
        const Lease lease = open(key).lease;
        const auto one = loop.start(node.sessions().commit(lease, turn("q1", "a1")));
        const auto two = loop.start(second.sessions().commit(lease, turn("q2", "a2")));
        const auto first = loop.finish(one);
        const auto other = loop.finish(two);
        ASSERT_NE(first.has_value(), other.has_value());
        EXPECT_EQ((first ? other : first).error().status, 503);
        EXPECT_EQ(said(key), first ? (Lines{"user 1000: q1", "npc 1001: a1"})
                                   : (Lines{"user 1000: q2", "npc 1001: a2"}));
    }
}

TEST_P(SessionLeases, ManyTurnsAtOnceKeepTheirOrder) {
    Node second(loop, home);
    Lines expected;
    for (int round = 0; round < 10; ++round) {
        std::vector<Outcome<Result<OpenChat>>> opens;
        for (int i = 0; i < 6; ++i)
            opens.push_back(loop.start((i % 2 ? second : node).sessions().open(chat(), "npc", kEverything)));
        for (const auto& outcome : opens) {
            const auto opened = loop.finish(outcome);
            if (!opened) continue;
            EXPECT_EQ(lines_of(opened->messages), expected);
            const std::string text = std::to_string(expected.size());
            EXPECT_EQ(commit(opened->lease, turn(text, text)), 200);
            expected.push_back("user 1000: " + text);
            expected.push_back("npc 1001: " + text);
        }
        ASSERT_GE(expected.size(), 2U * (round + 1));
    }
    EXPECT_EQ(said(chat()), expected);
}

} // namespace
} // namespace npcchat::testing
