#include "db/migrations.hpp"

#include "tests/stores/backends.hpp"

#include <barrier>
#include <thread>

namespace npcchat::testing {
namespace {

using Done = std::expected<void, std::string>;

class Migrations : public ::testing::TestWithParam<Kind> {
  protected:
    static Done migrate(const Home& home) {
        if (home.kind() == Kind::postgresql) return db::migrate_postgres(home.postgres_url());
        auto handle = db::open_sqlite(home.sqlite_path());
        if (!handle) return std::unexpected(handle.error());
        return db::migrate_sqlite(handle->get());
    }
    static std::string applied(const Home& home) {
        const std::string list = home.kind() == Kind::postgresql
                                     ? "string_agg(version || ':' || applied, ' ')"
                                     : "group_concat(version || ':' || applied, ' ')";
        return home.query("SELECT " + list +
                          " FROM (SELECT * FROM schema_migrations ORDER BY version) AS sorted");
    }
};

INSTANTIATE_TEST_SUITE_P(All, Migrations, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

TEST_P(Migrations, MakeTheSchema) {
    const Home home(GetParam(), false);
    const auto done = migrate(home);
    ASSERT_TRUE(done.has_value()) << done.error();
    EXPECT_EQ(home.query("SELECT count(*) FROM users"), "1");
    EXPECT_EQ(home.query("SELECT id FROM users"), "0");
    for (const auto* table : {"api_keys", "login_attempts", "npcs", "imported", "chats", "messages",
                              "chat_leases", "token_usage", "idempotency"})
        EXPECT_EQ(home.query(std::string("SELECT count(*) FROM ") + table), "0") << table;
}

TEST_P(Migrations, AreNumberedWithoutGaps) {
    const Home home(GetParam());
    EXPECT_EQ(home.query("SELECT min(version) FROM schema_migrations"), "1");
    EXPECT_EQ(home.query("SELECT max(version) - count(*) FROM schema_migrations"), "0");
}

TEST_P(Migrations, DoNothingTheSecondTime) {
    const Home home(GetParam());
    const std::string before = applied(home);
    home.query("INSERT INTO login_attempts (name_key, attempts, window_start) VALUES ('kept', 1, 1)");
    EXPECT_TRUE(migrate(home).has_value());
    EXPECT_TRUE(migrate(home).has_value());
    EXPECT_EQ(applied(home), before);
    EXPECT_EQ(home.query("SELECT count(*) FROM login_attempts"), "1");
}

TEST_P(Migrations, GoOnWhereTheyStopped) {
    const Home home(GetParam());
    // What the last two have made.
    home.query("DROP INDEX documents_order");
    if (GetParam() == Kind::postgresql)
        home.query("DROP FUNCTION vector_numbers, pgvector_table, has_pgvector, use_pgvector, "
                   "copy_to_pgvector, copy_vector, near_chunks CASCADE");
    home.query(
        "DELETE FROM schema_migrations WHERE version > (SELECT max(version) - 2 FROM schema_migrations)");
    const auto done = migrate(home);
    ASSERT_TRUE(done.has_value()) << done.error();
    home.query("DROP INDEX documents_order"); // which fails where it is not there
    EXPECT_EQ(home.query("SELECT max(version) - count(*) FROM schema_migrations"), "0");
}

TEST_P(Migrations, AreSafeAtOnce) {
    constexpr int kThreads = 4;
    const int rounds = GetParam() == Kind::sqlite ? 40 : 8;
    for (int round = 0; round < rounds; ++round) {
        const Home home(GetParam(), false);
        std::barrier start(kThreads);
        std::vector<Done> outcomes(kThreads);
        std::vector<std::thread> threads;
        for (Done& outcome : outcomes) {
            threads.emplace_back([&] {
                start.arrive_and_wait();
                outcome = migrate(home);
            });
        }
        for (std::thread& thread : threads)
            thread.join();
        for (const Done& outcome : outcomes)
            EXPECT_TRUE(outcome.has_value()) << outcome.error();
        EXPECT_EQ(home.query("SELECT count(*) FROM users"), "1");
        EXPECT_EQ(home.query("SELECT max(version) - count(*) FROM schema_migrations"), "0");
    }
}

TEST_P(Migrations, RefuseANewerSchema) {
    const Home home(GetParam());
    home.query("INSERT INTO schema_migrations (version, applied) VALUES (9999, 1)");
    const std::string before = applied(home);
    const auto done = migrate(home);
    ASSERT_FALSE(done.has_value());
    EXPECT_NE(done.error().find("9999"), std::string::npos) << done.error();
    EXPECT_EQ(applied(home), before);
}

TEST_P(Migrations, ThatFailChangeNothing) {
    const Home home(GetParam(), false);
    // One of the tables is there already, and is another.
    if (GetParam() == Kind::postgresql) PlainPostgres(home.postgres_url()).query("CREATE SCHEMA npcchat");
    home.query("CREATE TABLE npcs (x BIGINT)");
    const auto done = migrate(home);
    ASSERT_FALSE(done.has_value());
    EXPECT_NE(done.error().find("migration"), std::string::npos) << done.error();
    EXPECT_THROW(home.query("SELECT count(*) FROM users"), std::runtime_error);
    home.query("DROP TABLE npcs");
    const auto again = migrate(home);
    EXPECT_TRUE(again.has_value()) << again.error();
}

TEST(MigrationsOf, ServersThatAreNotThereFail) {
    EXPECT_FALSE(db::migrate_postgres("postgresql://nobody@127.0.0.1:1/none").has_value());
    EXPECT_FALSE(db::open_sqlite("/nowhere/npcchat.db").has_value());
}

} // namespace
} // namespace npcchat::testing
