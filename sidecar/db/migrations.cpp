#include "db/migrations.hpp"

#include "base/assets.hpp"
#include "base/log.hpp"
#include "db/postgres_connection.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <vector>

namespace npcchat::db {
namespace {

constexpr const char* kCreateTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)";
constexpr const char* kReadVersion = "SELECT coalesce(max(version), 0) FROM schema_migrations";
constexpr long kLockId = 6278432701; // any number that nothing else in the database takes

struct Migration {
    long version = 0;
    std::string sql;
};

std::vector<Migration> migrations_for(std::string_view dialect) {
    std::vector<Migration> found;
    for (const Asset& asset : assets()) {
        const std::string own = fmt::format("sql/{}/", dialect);
        for (const std::string_view folder : {std::string_view("sql/common/"), std::string_view(own)}) {
            if (!asset.name.starts_with(folder)) continue;
            Migration migration{0, std::string(asset.data)};
            const char* number = asset.name.data() + folder.size();
            std::from_chars(number, asset.name.data() + asset.name.size(), migration.version);
            found.push_back(std::move(migration));
        }
    }
    std::ranges::sort(found, {}, &Migration::version);
    return found;
}

// `execute` runs SQL and gives back an error text, empty on success.
template <class Execute>
std::expected<void, std::string> apply_missing(std::string_view dialect, long version, Execute execute) {
    const auto all = migrations_for(dialect);
    if (!all.empty() && version > all.back().version) {
        return std::unexpected(
            fmt::format("the database has schema {}, this npcchat-sidecar knows {}: start a "
                        "newer one, or restore a backup of before the upgrade",
                        version, all.back().version));
    }
    for (const Migration& migration : all) {
        if (migration.version <= version) continue;
        std::string error = execute(migration.sql.c_str());
        if (error.empty()) {
            error =
                execute(fmt::format("INSERT INTO schema_migrations VALUES ({}, now_ms())", migration.version)
                            .c_str());
        }
        if (!error.empty()) return std::unexpected(fmt::format("migration {}: {}", migration.version, error));
        log(Level::info, "migration applied", {{"version", std::int64_t{migration.version}}});
    }
    return {};
}

std::string execute_postgres(PGconn* connection, const char* sql) {
    const PgResult result(PQexec(connection, sql));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return {};
    return PQerrorMessage(connection);
}

std::string execute_sqlite(sqlite3* handle, const char* sql) {
    return sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK ? "" : sqlite3_errmsg(handle);
}

std::expected<void, std::string> migrate_postgres_locked(PGconn* connection) {
    const std::string begin = fmt::format("BEGIN; SELECT pg_advisory_xact_lock({});", kLockId);
    for (const std::string& sql :
         {begin, std::string("CREATE SCHEMA IF NOT EXISTS npcchat"),
          std::string("SET LOCAL search_path TO npcchat"), std::string(kCreateTable)}) {
        if (std::string error = execute_postgres(connection, sql.c_str()); !error.empty()) {
            return std::unexpected(std::move(error));
        }
    }
    const PgResult version(PQexec(connection, kReadVersion));
    if (PQresultStatus(version.get()) != PGRES_TUPLES_OK) {
        return std::unexpected(std::string(PQerrorMessage(connection)));
    }
    return apply_missing("postgresql", std::atol(PQgetvalue(version.get(), 0, 0)),
                         [connection](const char* sql) { return execute_postgres(connection, sql); });
}

long sqlite_version(sqlite3* handle) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(handle, kReadVersion, -1, &statement, nullptr);
    const long version = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return version;
}

} // namespace

std::expected<void, std::string> migrate_postgres(const std::string& url) {
    auto connection = open_postgres(url);
    if (!connection) return std::unexpected(std::move(connection.error()));
    auto done = migrate_postgres_locked(connection->get());
    if (!done) return done; // the connection's end rolls back
    std::string error = execute_postgres(connection->get(), "COMMIT");
    if (!error.empty()) return std::unexpected(std::move(error));
    return {};
}

std::expected<void, std::string> migrate_sqlite(sqlite3* handle) {
    std::string error = execute_sqlite(handle, "BEGIN IMMEDIATE");
    if (error.empty()) error = execute_sqlite(handle, kCreateTable);
    if (!error.empty()) return std::unexpected(std::move(error));
    auto done = apply_missing("sqlite", sqlite_version(handle),
                              [handle](const char* sql) { return execute_sqlite(handle, sql); });
    error = execute_sqlite(handle, done ? "COMMIT" : "ROLLBACK");
    if (done && !error.empty()) return std::unexpected(std::move(error));
    return done;
}

} // namespace npcchat::db
