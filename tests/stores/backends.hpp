// The stores of the contract tests: every implementation on a real server or file, each test with data of its
// own.
#pragma once

#include "catalog/catalog.hpp"
#include "db/postgres_connection.hpp"
#include "io/redis.hpp"
#include "io/worker.hpp"
#include "session/idempotency.hpp"
#include "session/local_token_budget.hpp"
#include "session/tiered_session_store.hpp"
#include "tests/stores/loop.hpp"

#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace npcchat::testing {

enum class Kind {
    sqlite,
    postgresql,
    redis,
    redis_cluster,
    tiered // Redis, and what is idle in SQLite
};

inline bool is_redis(Kind kind) {
    return kind == Kind::redis || kind == Kind::redis_cluster;
}

void PrintTo(Kind kind, std::ostream* out);
std::string kind_name(const ::testing::TestParamInfo<Kind>& info);

// What tests/with-services has set; throws where it is missing.
std::string service(const char* variable);

// Where one test's data lives: a file, or a database of a name that nothing else uses. Users of a test on
// Redis have ids that nothing else uses.
class Home {
  public:
    explicit Home(Kind kind, bool migrated = true);
    ~Home();
    Home(const Home&) = delete;
    Home& operator=(const Home&) = delete;

    Kind kind() const { return kind_; }
    std::string sqlite_path() const { return (folder_ / "npcchat.db").string(); }
    const std::string& postgres_url() const { return postgres_url_; }
    void migrate() const; // throws where it fails

    // For what only the operator does: runs SQL past the stores, and gives back the first row's first field.
    std::string query(const std::string& sql) const;

  private:
    Kind kind_;
    std::filesystem::path folder_;
    std::string database_name_;
    std::string postgres_url_;
};

struct NodeOptions {
    Clock::duration limit = std::chrono::seconds(5);
    Millis idle_ttl = 30LL * 86'400'000;
    Millis archive_after = 86'400'000;
};

// The stores as one process has them: connections of its own.
class Node {
  public:
    Node(Loop& loop, const Home& home, NodeOptions options = {});
    ~Node();

    SessionStore& sessions() { return *sessions_; }
    // In Redis; else of this process, so that two nodes know nothing of each other.
    TokenBudget& tokens() { return *tokens_; }
    IdempotencyStore& repeats() { return *repeats_; }
    Catalog& catalog() { return *catalog_; } // not on Redis alone
    db::Database& database() { return *database_; }
    Redis& redis() { return *redis_; }                // of the last two kinds
    TieredSessionStore& tiered() { return *tiered_; } // of the last kind

  private:
    Worker connector_{64};
    std::unique_ptr<db::Database> database_;
    std::unique_ptr<Redis> redis_;
    std::unique_ptr<Catalog> catalog_;
    std::unique_ptr<SessionStore> sessions_;
    TieredSessionStore* tiered_ = nullptr; // the same
    TokenAccounts token_accounts_;
    std::unique_ptr<TokenBudget> tokens_;
    std::unique_ptr<IdempotencyStore> repeats_;
};

// Whose chats a test can use. On the databases a user's row is made.
UserId new_user(Loop& loop, Node& node, Kind kind);

// Stops all processes of a server (SIGSTOP) until its end.
class Freezer {
  public:
    explicit Freezer(Kind kind);
    ~Freezer() { thaw(); }
    Freezer(const Freezer&) = delete;
    Freezer& operator=(const Freezer&) = delete;
    void thaw();

  private:
    std::vector<pid_t> pids_; // parents first
};

// PostgreSQL's plain interface, for what holds a lock or reads past the stores. Throws on an error.
class PlainPostgres {
  public:
    explicit PlainPostgres(const std::string& url);
    std::string query(const std::string& sql); // the first row's first field, or nothing

  private:
    db::PgHandle handle_;
};

} // namespace npcchat::testing
