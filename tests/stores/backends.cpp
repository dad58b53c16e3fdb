#include "tests/stores/backends.hpp"

#include "base/ids.hpp"
#include "db/migrations.hpp"
#include "db/postgres.hpp"
#include "session/redis_idempotency_store.hpp"
#include "session/redis_token_budget.hpp"
#include "session/sql_idempotency_store.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

namespace npcchat::testing {
namespace {

namespace fs = std::filesystem;

void require(const std::expected<void, std::string>& done) {
    if (!done) throw std::runtime_error(done.error());
}

RedisUrl redis_url(Kind kind) {
    const bool is_cluster = kind == Kind::redis_cluster;
    return parse_redis_url(service(is_cluster ? "TEST_REDIS_CLUSTER_URL" : "TEST_REDIS_URL")).value();
}

fs::path new_folder() {
    std::string pattern = (fs::temp_directory_path() / "npcchat-stores-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no folder for temporary files");
    return pattern;
}

std::string query_sqlite(const std::string& path, const std::string& sql) {
    auto handle = db::open_sqlite(path);
    if (!handle) throw std::runtime_error(handle.error());
    std::string first;
    char* error = nullptr;
    sqlite3_exec(
        handle->get(), sql.c_str(),
        [](void* out, int, char** fields, char**) {
            auto& value = *static_cast<std::string*>(out);
            if (value.empty() && fields[0]) value = fields[0];
            return 0;
        },
        &first, &error);
    if (!error) return first;
    std::string text = error;
    sqlite3_free(error);
    throw std::runtime_error(text);
}

bool has_sqlite(Kind kind) {
    return kind == Kind::sqlite || kind == Kind::tiered;
}

std::unique_ptr<db::Database> open_database(const Home& home, Clock::duration limit) {
    auto handle = db::open_sqlite(home.sqlite_path());
    if (!handle) throw std::runtime_error(handle.error());
    return std::make_unique<db::Sqlite>(std::move(*handle), limit);
}

struct ProcessStatus {
    char state = '?';
    pid_t parent = 0;
};

// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
std::optional<ProcessStatus> status_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto name_end = text.rfind(')');
    if (name_end == text.npos) return std::nullopt;
    ProcessStatus status;
    if (std::sscanf(text.c_str() + name_end + 1, " %c %d", &status.state, &status.parent) != 2)
        return std::nullopt;
    return status;
}

std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const pid_t pid = std::atoi(entry.path().filename().c_str());
        if (pid <= 0) continue;
        const auto status = status_of(pid);
        if (status && status->parent == parent && status->state != 'Z') children.push_back(pid);
    }
    return children;
}

void freeze(pid_t pid) {
    if (kill(pid, SIGSTOP) != 0) throw std::runtime_error("the server cannot be stopped");
    const auto give_up = Clock::now() + kPatience;
    for (auto status = status_of(pid); status && status->state != 'T'; status = status_of(pid)) {
        if (Clock::now() > give_up) throw std::runtime_error("the server did not stop");
        std::this_thread::yield();
    }
}

} // namespace

void PrintTo(Kind kind, std::ostream* out) {
    switch (kind) {
    case Kind::sqlite:
        *out << "Sqlite";
        return;
    case Kind::postgresql:
        *out << "Postgresql";
        return;
    case Kind::redis:
        *out << "Redis";
        return;
    case Kind::tiered:
        *out << "Tiered";
        return;
    case Kind::redis_cluster:
        *out << "RedisCluster";
        return;
    }
}

std::string kind_name(const ::testing::TestParamInfo<Kind>& info) {
    return ::testing::PrintToString(info.param);
}

std::string service(const char* variable) {
    const char* value = std::getenv(variable);
    if (!value)
        throw std::runtime_error(fmt::format("{} is not set: run through tests/with-services", variable));
    return value;
}

Home::Home(Kind kind, bool migrated) : kind_(kind) {
    static std::atomic<int> count = 0;
    if (has_sqlite(kind_)) folder_ = new_folder();
    if (kind_ == Kind::postgresql) {
        const std::string url = service("TEST_DATABASE_URL");
        database_name_ = fmt::format("contract_{}_{}", getpid(), ++count);
        PlainPostgres(url).query("CREATE DATABASE " + database_name_);
        postgres_url_ = url.substr(0, url.rfind('/') + 1) + database_name_;
    }
    if (migrated) migrate();
}

Home::~Home() {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
    if (database_name_.empty()) return;
    try {
        PlainPostgres(service("TEST_DATABASE_URL"))
            .query("DROP DATABASE " + database_name_ + " WITH (FORCE)");
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
    }
}

void Home::migrate() const {
    if (kind_ == Kind::postgresql) require(db::migrate_postgres(postgres_url_));
    if (!has_sqlite(kind_)) return;
    auto handle = db::open_sqlite(sqlite_path());
    if (!handle) throw std::runtime_error(handle.error());
    require(db::migrate_sqlite(handle->get()));
}

std::string Home::query(const std::string& sql) const {
    if (has_sqlite(kind_)) return query_sqlite(sqlite_path(), sql);
    PlainPostgres connection(postgres_url_);
    connection.query("SET search_path TO npcchat");
    return connection.query(sql);
}

Node::Node(Loop& loop, const Home& home, NodeOptions options) {
    if (has_sqlite(home.kind())) database_ = open_database(home, options.limit);
    if (home.kind() == Kind::postgresql) {
        database_ =
            std::make_unique<db::Postgres>(loop.executor(), home.postgres_url(), connector_, options.limit);
    }
    if (database_) catalog_ = std::make_unique<Catalog>(*database_);
    if (is_redis(home.kind()) || home.kind() == Kind::tiered) {
        redis_ = Redis::open(loop.executor(), redis_url(home.kind()), options.limit);
        tokens_ = std::make_unique<RedisTokenBudget>(*redis_);
        repeats_ = std::make_unique<RedisIdempotencyStore>(*redis_);
    } else {
        sessions_ = std::make_unique<SqlSessionStore>(*database_, options.idle_ttl);
        tokens_ = std::make_unique<LocalTokenBudget>(token_accounts_, *catalog_);
        repeats_ = std::make_unique<SqlIdempotencyStore>(*database_);
    }
    if (is_redis(home.kind()))
        sessions_ = std::make_unique<RedisSessionStore>(*redis_, options.idle_ttl);
    if (home.kind() == Kind::tiered) {
        auto tiered = std::make_unique<TieredSessionStore>(loop.executor(), *redis_, *database_,
                                                           options.archive_after, options.idle_ttl);
        tiered_ = tiered.get();
        sessions_ = std::move(tiered);
    }
    const bool ready = loop.poll(
        kPatience, [this] { return sessions_->ping(); }, [](const auto& pong) { return pong.has_value(); });
    if (!ready) throw std::runtime_error("the store does not answer");
}

Node::~Node() = default;

UserId new_user(Loop& loop, Node& node, Kind kind) {
    static std::atomic<UserId> count = 0;
    const UserId number = ++count;
    if (is_redis(kind)) return number;
    const std::string name = fmt::format("user{}", number);
    if (kind == Kind::tiered) {
        // The databases are new, Redis is not: an id of its own.
        const auto made = loop.run(
            db::run_one(node.database(),
                        "INSERT INTO users (id, name, name_key, name_digest, password_hash, created) "
                        "VALUES ($1, $2, $2, $2, '', 0)",
                        {number, name}));
        return made.has_value() ? number : throw std::runtime_error("no user could be made");
    }
    const auto id =
        loop.run(node.catalog().create_user(name, "hash of " + name, sha256_hex("key of " + name)));
    return id.value().value();
}

Freezer::Freezer(Kind kind) {
    const char* variable = kind == Kind::redis ? "TEST_REDIS_PID" : "TEST_POSTGRES_PID";
    pids_.push_back(std::stoi(service(variable)));
    freeze(pids_.front()); // the postmaster first: no new process appears
    for (const pid_t pid : children_of(pids_.front())) {
        pids_.push_back(pid);
        freeze(pid);
    }
}

void Freezer::thaw() {
    for (auto pid = pids_.rbegin(); pid != pids_.rend(); ++pid)
        kill(*pid, SIGCONT);
    pids_.clear();
}

PlainPostgres::PlainPostgres(const std::string& url) {
    auto handle = db::open_postgres(url);
    if (!handle) throw std::runtime_error(handle.error());
    handle_ = std::move(*handle);
}

std::string PlainPostgres::query(const std::string& sql) {
    const db::PgResult result(PQexec(handle_.get(), sql.c_str()));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        throw std::runtime_error(PQerrorMessage(handle_.get()));
    }
    return status == PGRES_TUPLES_OK && PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

} // namespace npcchat::testing
