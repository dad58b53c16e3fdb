// Stores that are frozen, or busy for others, past the deadline.
#include "tests/stores/session_fixture.hpp"

#include "base/ids.hpp"
#include "db/sqlite.hpp"

namespace npcchat::testing {
namespace {

constexpr auto kLimit = std::chrono::milliseconds(500);
constexpr auto kSlack = std::chrono::milliseconds(700); // a busy machine's
constexpr auto kRecovery = std::chrono::seconds(5);

class StoreFaults : public SessionTest {
  protected:
    // What the task answers, which must be a 503 within the deadline.
    template <class T> void expect_503(Task<Result<T>> task, const char* what) {
        const auto begun = Clock::now();
        const auto answer = loop.run(std::move(task));
        EXPECT_LE(Clock::now() - begun, kLimit + kSlack) << what;
        ASSERT_FALSE(answer.has_value()) << what;
        EXPECT_EQ(answer.error().status, 503) << what;
        EXPECT_GT(answer.error().retry_after, 0) << what;
    }
    // To be called before a thaw: at the deadline itself either outcome is right.
    void let_the_deadline_pass() { loop.run_for(std::chrono::milliseconds(100)); }
    void expect_recovery() {
        const auto begun = Clock::now();
        const auto ping = [&] { return quick.sessions().ping(); };
        EXPECT_TRUE(loop.poll(kPatience, ping, [](const auto& pong) { return pong.has_value(); }));
        EXPECT_LE(Clock::now() - begun, kRecovery);
    }
    // Until everything that was sent to the database has been carried out.
    void wait_for_database() {
        if (GetParam() != Kind::postgresql) return;
        PlainPostgres plain(home.postgres_url());
        const auto give_up = Clock::now() + kPatience;
        while (plain.query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                           "pid <> pg_backend_pid() AND state <> 'idle'") != "0") {
            ASSERT_LT(Clock::now(), give_up);
        }
    }

    Node quick{loop, home, {.limit = kLimit}};
};

class FrozenStore : public StoreFaults {};

INSTANTIATE_TEST_SUITE_P(All, FrozenStore, ::testing::Values(Kind::postgresql, Kind::redis), kind_name);

TEST_P(FrozenStore, StoresNothingOfAFailedTurn) {
    SessionStore& store = quick.sessions();
    const Lease lease = loop.run(store.open(chat(), "npc", kEverything)).value().lease;
    Freezer freezer(GetParam());
    expect_503(store.commit(lease, turn("q", "a")), "commit");
    expect_503(store.commit(lease, turn("q", "a")), "a second commit");
    let_the_deadline_pass();
    freezer.thaw();
    expect_recovery();
    wait_for_database();
    EXPECT_FALSE(history(chat()).has_value());
}

TEST_P(FrozenStore, LeavesNoLeaseOfAFailedOpen) {
    SessionStore& store = quick.sessions();
    Freezer freezer(GetParam());
    expect_503(store.open(chat(), "npc", kEverything), "open");
    expect_503(store.open(chat("chat2"), "npc", kEverything), "another open");
    let_the_deadline_pass();
    freezer.thaw();
    expect_recovery();
    wait_for_database();
    EXPECT_EQ(open_status(chat()), 200);
    EXPECT_EQ(open_status(chat("chat2")), 200);
}

TEST_P(FrozenStore, FailsEverythingInTime) {
    SessionStore& store = quick.sessions();
    say(chat(), "q", "a");
    const Lease lease = loop.run(store.open(chat(), "npc", kEverything)).value().lease;
    Freezer freezer(GetParam());
    expect_503(store.commit_memory(lease, "memory", 2), "commit_memory");
    expect_503(store.history(chat()), "history");
    expect_503(store.import_chat(chat("chat2"), ChatHistory{std::nullopt, "m", {}}), "import_chat");
    expect_503(store.ping(), "ping");
    const auto begun = Clock::now();
    loop.run(store.renew(lease));
    loop.run(store.release(lease));
    loop.run(store.sweep());
    EXPECT_LE(Clock::now() - begun, 3 * (kLimit + kSlack));
    let_the_deadline_pass();
    freezer.thaw();
    expect_recovery();
    wait_for_database();
    EXPECT_EQ(history(chat())->memory, "");
    EXPECT_FALSE(history(chat("chat2")).has_value());
}

TEST_P(FrozenStore, AnEarlierFailureSaysNothingOfLaterCommands) {
    SessionStore& store = quick.sessions();
    const Lease lease = loop.run(store.open(chat(), "npc", kEverything)).value().lease;
    Freezer freezer(GetParam());
    const auto earlier = loop.start(store.history(chat("chat2")));
    loop.run_for(kLimit / 2);
    const auto commit = loop.start(store.commit(lease, turn("q", "a")));
    EXPECT_FALSE(loop.finish(earlier).has_value());
    freezer.thaw();
    const bool stored = loop.finish(commit).has_value();
    expect_recovery();
    wait_for_database();
    EXPECT_EQ(said(chat()).size(), stored ? 2U : 0U);
}

TEST_P(FrozenStore, FailsManyAtOnceInTime) {
    std::vector<Outcome<Result<OpenChat>>> opens;
    Freezer freezer(GetParam());
    const auto begun = Clock::now();
    for (int i = 0; i < 200; ++i)
        opens.push_back(loop.start(quick.sessions().open(chat("c" + std::to_string(i)), "npc", 1000)));
    for (const auto& outcome : opens) {
        const auto opened = loop.finish(outcome);
        ASSERT_FALSE(opened.has_value());
        EXPECT_EQ(opened.error().status, 503);
    }
    EXPECT_LE(Clock::now() - begun, kLimit + kSlack);
    let_the_deadline_pass();
    freezer.thaw();
    expect_recovery();
    wait_for_database();
    for (int i = 0; i < 200; i += 20)
        EXPECT_EQ(open_status(chat("c" + std::to_string(i))), 200) << i;
}

TEST_P(FrozenStore, GoesOnAfterAShortPause) {
    SessionStore& store = node.sessions(); // with more patience
    const Lease lease = loop.run(store.open(chat(), "npc", kEverything)).value().lease;
    Freezer freezer(GetParam());
    const auto done = loop.start(store.commit(lease, turn("q", "a")));
    EXPECT_FALSE(loop.run_until([&] { return done->has_value(); }, std::chrono::milliseconds(300)));
    freezer.thaw();
    EXPECT_TRUE(loop.finish(done).has_value());
    EXPECT_EQ(said(chat()).size(), 2U);
}

class FrozenCatalog : public StoreFaults {};

INSTANTIATE_TEST_SUITE_P(All, FrozenCatalog, ::testing::Values(Kind::postgresql), kind_name);

TEST_P(FrozenCatalog, StoresNothingOfWhatFailed) {
    Catalog& catalog = quick.catalog();
    const std::string old_key = sha256_hex("old");
    const auto id = loop.run(catalog.create_user("Before", "hash", old_key)).value().value();
    Freezer freezer(GetParam());
    expect_503(catalog.create_user("Aela", "hash", sha256_hex("key")), "create_user");
    expect_503(catalog.replace_key(id, sha256_hex("new"), 0), "replace_key");
    expect_503(catalog.create_npc(id, "smith", "Skyrim", false), "create_npc");
    expect_503(catalog.find_key(old_key), "find_key");
    expect_503(catalog.find_login("Before"), "find_login");
    let_the_deadline_pass();
    freezer.thaw();
    expect_recovery();
    wait_for_database();
    EXPECT_EQ(loop.run(catalog.find_login("Aela")).value(), std::nullopt);
    EXPECT_EQ(loop.run(catalog.find_key(sha256_hex("key"))).value(), std::nullopt);
    EXPECT_EQ(loop.run(catalog.find_key(sha256_hex("new"))).value(), std::nullopt);
    EXPECT_TRUE(loop.run(catalog.find_key(old_key)).value().has_value());
    EXPECT_TRUE(loop.run(catalog.list_npcs(std::nullopt, {}, 10)).value().empty());
}

// Another client holds what a turn needs until after the deadline.
class LockedStore : public StoreFaults {
  protected:
    void lock() {
        if (GetParam() == Kind::postgresql) {
            postgres = std::make_unique<PlainPostgres>(home.postgres_url());
            postgres->query("BEGIN");
            postgres->query("SELECT token FROM npcchat.chat_leases FOR UPDATE");
            return;
        }
        sqlite = db::open_sqlite(home.sqlite_path()).value();
        ASSERT_EQ(sqlite3_exec(sqlite.get(), "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    }
    void unlock() {
        if (postgres) postgres->query("ROLLBACK");
        if (sqlite) sqlite3_exec(sqlite.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }

    std::unique_ptr<PlainPostgres> postgres;
    db::SqliteHandle sqlite;
};

INSTANTIATE_TEST_SUITE_P(All, LockedStore, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

TEST_P(LockedStore, StoresNothingOfAFailedTurn) {
    SessionStore& store = quick.sessions();
    const Lease lease = loop.run(store.open(chat(), "npc", kEverything)).value().lease;
    lock();
    expect_503(store.commit(lease, turn("q", "a")), "commit");
    let_the_deadline_pass();
    unlock();
    expect_recovery();
    wait_for_database();
    EXPECT_FALSE(history(chat()).has_value());
    EXPECT_EQ(said(chat()), Lines{});
}

TEST_P(LockedStore, GoesOnAfterAShortWait) {
    SessionStore& store = node.sessions(); // with more patience
    const Lease lease = loop.run(store.open(chat(), "npc", kEverything)).value().lease;
    lock();
    const auto done = loop.start(store.commit(lease, turn("q", "a")));
    EXPECT_FALSE(loop.run_until([&] { return done->has_value(); }, std::chrono::milliseconds(300)));
    unlock();
    EXPECT_TRUE(loop.finish(done).has_value());
    EXPECT_EQ(said(chat()).size(), 2U);
}

// A chat that the database refuses must not take the others' connections with it.
TEST_P(LockedStore, AnErrorOfOneIsNotTheOthers) {
    for (int i = 0; i < 10; ++i) {
        const ChatKey nobodys{9'999'999, "chat"};
        const auto opened = loop.run(quick.sessions().open(nobodys, "npc", kEverything));
        if (opened)
            EXPECT_EQ(loop.run(quick.sessions().commit(opened->lease, turn("q", "a"))).error().status, 503);
        EXPECT_TRUE(loop.run(quick.sessions().ping()).has_value());
    }
}

} // namespace
} // namespace npcchat::testing
