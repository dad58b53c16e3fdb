#include "db/sqlite.hpp"

#include "base/clock.hpp"
#include "base/log.hpp"
#include "db/sqlite_lexemes.hpp"

#include <algorithm>
#include <atomic>
#include <sys/stat.h>
#include <unordered_map>

namespace npcchat::db {
namespace {

constexpr std::size_t kMaxQueued = 4096;
// Of 4 KiB, in the write-ahead log: each time, the writer waits for the disk.
constexpr int kCheckpointPages = 4000;
constexpr int kBusyPoll = 10;     // milliseconds
constexpr int kBusyMillis = 1500; // another process (a backup, an import) holds the write lock

struct StatementFinalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, StatementFinalize>;

void sql_now_ms(sqlite3_context* context, int, sqlite3_value**) {
    sqlite3_result_int64(context, now_ms());
}

// As PostgreSQL has it; SQLite has its own from 3.43 on.
void sql_octet_length(sqlite3_context* context, int, sqlite3_value** arguments) {
    sqlite3_result_int64(context, sqlite3_value_bytes(arguments[0]));
}

bool is_read(const std::vector<Statement>& batch) {
    return std::ranges::all_of(batch, [](const Statement& s) { return s.sql.starts_with("SELECT"); });
}

bool bind(sqlite3_stmt* statement, const std::vector<Value>& params) {
    // "$3" is a name to SQLite: it may stand twice, or before "$1".
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
        const char* name = sqlite3_bind_parameter_name(statement, i);
        const auto number = static_cast<std::size_t>(std::atoi(name + 1));
        if (number == 0 || number > params.size()) return false;
        const Value& value = params[number - 1];
        if (const auto* integer = std::get_if<std::int64_t>(&value)) {
            sqlite3_bind_int64(statement, i, *integer);
        } else {
            const auto& text = std::get<std::string>(value);
            sqlite3_bind_text64(statement, i, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
        }
    }
    return true;
}

Row row_of(sqlite3_stmt* statement) {
    Row row(static_cast<std::size_t>(sqlite3_column_count(statement)));
    for (std::size_t i = 0; i < row.size(); ++i) {
        const int column = static_cast<int>(i);
        if (sqlite3_column_type(statement, column) == SQLITE_NULL) continue;
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
        row[i].emplace(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
    }
    return row;
}

// Changing to WAL is refused at once where another connection is there at that moment, whatever the busy
// time-out says: who opens a new database together with others tries again.
bool switch_to_wal(sqlite3* handle) {
    for (int waited = 0; waited < kBusyMillis; waited += kBusyPoll) {
        const int status = sqlite3_exec(handle, "PRAGMA journal_mode=WAL", nullptr, nullptr, nullptr);
        if (status != SQLITE_BUSY) return status == SQLITE_OK;
        sqlite3_sleep(kBusyPoll);
    }
    return false;
}

bool prepare_connection(sqlite3* handle) {
    sqlite3_busy_timeout(handle, kBusyMillis);
    return switch_to_wal(handle) &&
           sqlite3_exec(handle, "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-32768",
                        nullptr, nullptr, nullptr) == SQLITE_OK &&
           sqlite3_create_function_v2(handle, "now_ms", 0, SQLITE_UTF8, nullptr, sql_now_ms, nullptr, nullptr,
                                      nullptr) == SQLITE_OK &&
           sqlite3_create_function_v2(handle, "octet_length", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                                      sql_octet_length, nullptr, nullptr, nullptr) == SQLITE_OK &&
           register_lexemes(handle);
}

// As far as nobody who reads or writes is in the way.
void checkpoint(sqlite3* handle) {
    sqlite3_wal_checkpoint_v2(handle, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

} // namespace

std::expected<SqliteHandle, std::string> open_sqlite(const std::string& path) {
    sqlite3* raw = nullptr;
    const mode_t old_mask = umask(0077); // keys' digests and chats are nobody else's
    const int opened =
        sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    SqliteHandle handle(raw);
    const bool ready = opened == SQLITE_OK && prepare_connection(raw);
    umask(old_mask);
    if (!ready) return std::unexpected(path + ": " + (raw ? sqlite3_errmsg(raw) : "out of memory"));
    return handle;
}

struct Sqlite::Connection {
    using Outcome = std::expected<std::vector<Rows>, std::string>;

    Outcome run(const std::vector<Statement>& batch, Clock::time_point deadline) {
        // Who only reads waits for nobody who writes.
        if (!execute(is_read(batch) ? "BEGIN" : "BEGIN IMMEDIATE"))
            return std::unexpected(sqlite3_errmsg(handle.get()));
        if (Clock::now() > deadline) {
            // Another process held the lock: the caller has given up, and must not be proved wrong.
            execute("ROLLBACK");
            return std::unexpected("the lock came after the deadline");
        }
        std::vector<Rows> results;
        results.reserve(batch.size());
        for (const Statement& statement : batch) {
            auto rows = step_through(statement);
            if (!rows) {
                execute("ROLLBACK");
                return std::unexpected(std::move(rows.error()));
            }
            results.push_back(std::move(*rows));
        }
        if (!execute("COMMIT")) {
            std::string error = sqlite3_errmsg(handle.get());
            execute("ROLLBACK");
            return std::unexpected(std::move(error));
        }
        return results;
    }

    bool execute(const char* sql) {
        sqlite3_stmt* statement = prepared({sql, {}});
        if (!statement) return false;
        const int status = sqlite3_step(statement);
        sqlite3_reset(statement);
        return status == SQLITE_DONE;
    }

    sqlite3_stmt* prepared(const Statement& statement) {
        StatementHandle& cached = statements[statement.sql.data()];
        if (!cached) {
            sqlite3_stmt* raw = nullptr;
            sqlite3_prepare_v3(handle.get(), statement.sql.data(), static_cast<int>(statement.sql.size()),
                               SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
            cached.reset(raw);
        }
        return cached.get();
    }

    std::expected<Rows, std::string> step_through(const Statement& statement) {
        sqlite3_stmt* compiled = prepared(statement);
        if (!compiled) return std::unexpected(sqlite3_errmsg(handle.get()));
        Rows rows;
        int status = bind(compiled, statement.params) ? SQLITE_ROW : SQLITE_RANGE;
        while (status == SQLITE_ROW) {
            status = sqlite3_step(compiled);
            if (status == SQLITE_ROW) rows.push_back(row_of(compiled));
        }
        std::string error = status == SQLITE_DONE ? std::string() : sqlite3_errmsg(handle.get());
        sqlite3_reset(compiled);
        sqlite3_clear_bindings(compiled);
        if (status != SQLITE_DONE) return std::unexpected(std::move(error));
        return rows;
    }

    SqliteHandle handle;
    std::unordered_map<const char*, StatementHandle> statements; // ended before the handle that made them
};

// Most of a checkpoint runs beside the writer. What was written meanwhile is copied by the writer itself, so
// that the log begins anew: alone, neither a log that grows nor a long wait could be avoided.
struct Sqlite::Checkpointer {
    SqliteHandle handle; // null where it cannot be opened: the writer does all then
    std::atomic<bool> busy = false;
    Worker worker{1};
};

Sqlite::Sqlite(SqliteHandle handle, Clock::duration limit)
    : connection_(std::make_shared<Connection>()), limit_(limit), worker_(kMaxQueued) {
    connection_->handle = std::move(handle);
    sqlite3_wal_hook(
        connection_->handle.get(),
        [](void* self, sqlite3*, const char*, int pages) {
            static_cast<Sqlite*>(self)->committed(pages);
            return SQLITE_OK;
        },
        this);
}

Sqlite::~Sqlite() {
    stop();
}

void Sqlite::stop() {
    worker_.stop();
    if (checkpointer_) checkpointer_->worker.stop();
}

void Sqlite::committed(int log_pages) {
    if (log_pages < kCheckpointPages) return;
    if (!checkpointer_) {
        checkpointer_ = std::make_unique<Checkpointer>();
        auto opened = open_sqlite(sqlite3_db_filename(connection_->handle.get(), "main"));
        if (opened) checkpointer_->handle = std::move(*opened);
    }
    if (checkpointer_->busy.exchange(true)) return;
    const auto finish = [this] {
        checkpoint(connection_->handle.get());
        checkpointer_->busy = false;
    };
    const bool begun = checkpointer_->worker.post([this, finish] {
        if (checkpointer_->handle) checkpoint(checkpointer_->handle.get());
        if (!worker_.post(finish)) checkpointer_->busy = false;
    });
    if (!begun) checkpointer_->busy = false;
}

Task<Result<std::vector<Rows>>> Sqlite::run(std::vector<Statement> batch) {
    return run_in(Lane::foreground, std::move(batch));
}

Task<Result<std::vector<Rows>>> Sqlite::Background::run(std::vector<Statement> batch) {
    return owner_.run_in(Lane::background, std::move(batch));
}

Task<Result<std::vector<Rows>>> Sqlite::run_in(Lane lane, std::vector<Statement> batch) {
    const Executor executor = co_await asio::this_coro::executor;
    const auto deadline = Clock::now() + limit_;
    auto done = co_await worker_.run(
        executor, limit_,
        [connection = connection_, batch = std::move(batch), deadline] {
            return connection->run(batch, deadline);
        },
        lane);
    if (!done) co_return std::unexpected(std::move(done.error()));
    if (!*done) {
        log(Level::error, "SQLite query failed", {{"error", std::string_view(done->error())}});
        co_return store_unavailable();
    }
    co_return std::move(**done);
}

} // namespace npcchat::db
