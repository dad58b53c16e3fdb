#include "db/postgres_connection.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <fmt/format.h>
#include <sys/socket.h>

namespace npcchat::db {
namespace {

constexpr Oid kInt8 = 20; // pg_type.dat
constexpr Oid kText = 25;
constexpr std::string_view kGuard = "SELECT begin_before($1)";

// Parameters in the form that libpq takes; text format throughout.
struct PgParams {
    explicit PgParams(const std::vector<Value>& values) {
        texts.reserve(values.size());
        for (const Value& value : values) {
            if (const auto* number = std::get_if<std::int64_t>(&value)) {
                texts.push_back(std::to_string(*number));
                types.push_back(kInt8);
                pointers.push_back(texts.back().c_str());
            } else {
                types.push_back(kText);
                pointers.push_back(std::get<std::string>(value).c_str());
            }
        }
    }
    std::vector<std::string> texts;
    std::vector<Oid> types;
    std::vector<const char*> pointers;
};

Rows rows_of(const PGresult* result) {
    Rows rows(static_cast<std::size_t>(PQntuples(result)));
    const int fields = PQnfields(result);
    for (int r = 0; r < PQntuples(result); ++r) {
        Row& row = rows[static_cast<std::size_t>(r)];
        row.resize(static_cast<std::size_t>(fields));
        for (int f = 0; f < fields; ++f) {
            if (PQgetisnull(result, r, f)) continue;
            row[static_cast<std::size_t>(f)].emplace(PQgetvalue(result, r, f),
                                                     static_cast<std::size_t>(PQgetlength(result, r, f)));
        }
    }
    return rows;
}

bool is_read(const std::vector<Statement>& batch) {
    return std::ranges::all_of(batch, [](const Statement& s) { return s.sql.starts_with("SELECT"); });
}

} // namespace

std::expected<PgHandle, std::string> open_postgres(const std::string& url) {
    // Defaults first: what the URL says stands behind them and wins. client_encoding is ours alone.
    const char* const keywords[] = {"connect_timeout", "application_name", "dbname", "client_encoding",
                                    nullptr};
    const char* const values[] = {"2", "npcchat", url.c_str(), "UTF8", nullptr};
    PgHandle handle(PQconnectdbParams(keywords, values, 1));
    if (!handle || PQstatus(handle.get()) != CONNECTION_OK) {
        return std::unexpected(handle ? std::string(PQerrorMessage(handle.get())) : "out of memory");
    }
    PQsetNoticeProcessor(handle.get(), [](void*, const char*) {}, nullptr);
    return handle;
}

std::expected<PostgresConnection::Opened, std::string> PostgresConnection::open(const std::string& url) {
    auto handle = open_postgres(url);
    if (!handle) return std::unexpected(std::move(handle.error()));
    // Plans are kept: one that was made while a table was small would read all of it when it has grown.
    const PgResult settings(
        PQexec(handle->get(), "SET search_path TO npcchat; SET enable_seqscan TO off; SET jit TO off"));
    const PgResult clock(PQexec(handle->get(), "SELECT now_ms()"));
    if (PQresultStatus(clock.get()) != PGRES_TUPLES_OK) {
        return std::unexpected(std::string(PQerrorMessage(handle->get())));
    }
    const Millis offset = to_integer(std::string(PQgetvalue(clock.get(), 0, 0))) - steady_ms();
    PQsetnonblocking(handle->get(), 1);
    if (PQenterPipelineMode(handle->get()) != 1) return std::unexpected("pipeline mode was refused");
    return Opened{std::move(*handle), offset};
}

PostgresConnection::PostgresConnection(Executor executor, Opened opened)
    : handle_(std::move(opened.handle)), io_(std::make_shared<Io>(executor, PQsocket(handle_.get()))),
      timer_(executor), clock_offset_(opened.clock_offset) {}

PostgresConnection::~PostgresConnection() {
    io_->socket.release(); // libpq closes it
}

std::string PostgresConnection::last_error() const {
    return io_->expired ? "no answer within the deadline" : PQerrorMessage(handle_.get());
}

bool PostgresConnection::is_alive() {
    // Idle, the server has nothing to say but farewell: a message, then the end. libpq would read one at a
    // time.
    char byte;
    const ssize_t waiting = recv(PQsocket(handle_.get()), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return waiting < 0 && errno == EAGAIN;
}

bool PostgresConnection::send(const Statement& statement) {
    const PgParams params(statement.params);
    const int count = static_cast<int>(params.pointers.size());
    auto [entry, is_new] = prepared_.try_emplace(statement.sql.data());
    if (is_new) {
        entry->second = fmt::format("s{}", prepared_.size());
        const std::string sql(statement.sql);
        if (!PQsendPrepare(handle_.get(), entry->second.c_str(), sql.c_str(), count, params.types.data())) {
            return false;
        }
        is_query_.push_back(false);
    }
    return PQsendQueryPrepared(handle_.get(), entry->second.c_str(), count, params.pointers.data(), nullptr,
                               nullptr, 0) == 1;
}

bool PostgresConnection::send_batch(const std::vector<Statement>& batch, Clock::time_point deadline) {
    is_query_.clear();
    Statement guard{kGuard, {}};
    if (!is_read(batch)) {
        // A frozen server runs what lies in its socket's buffer when it wakes, long after we gave up.
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        guard.params = {steady_ms() + clock_offset_ + left};
        if (!send(guard)) return false;
        is_query_.push_back(false);
    }
    for (const Statement& statement : batch) {
        if (!send(statement)) return false;
        is_query_.push_back(true);
    }
    if (!is_read(batch)) {
        // And again at the end: a statement may have waited for another's lock.
        if (!send(guard)) return false;
        is_query_.push_back(false);
    }
    // All statements up to a sync are one transaction.
    return PQpipelineSync(handle_.get()) == 1;
}

Task<bool> PostgresConnection::wait(Descriptor::wait_type what) {
    if (io_->expired) co_return false;
    boost::system::error_code error;
    co_await io_->socket.async_wait(what, asio::redirect_error(use_task, error));
    co_return !error && !io_->expired;
}

Task<bool> PostgresConnection::flush() {
    int left = PQflush(handle_.get());
    while (left == 1) {
        const bool writable = co_await wait(Descriptor::wait_write);
        if (!writable) co_return false;
        left = PQflush(handle_.get());
    }
    co_return left == 0;
}

Task<std::expected<std::vector<Rows>, std::string>> PostgresConnection::receive(std::size_t statements) {
    std::vector<Rows> results;
    results.reserve(statements);
    std::string error;
    std::size_t next = 0;
    for (;;) {
        while (PQisBusy(handle_.get())) {
            const bool readable = co_await wait(Descriptor::wait_read);
            if (!readable || PQconsumeInput(handle_.get()) != 1) co_return std::unexpected(last_error());
        }
        const PgResult result(PQgetResult(handle_.get()));
        if (!result) {
            if (PQstatus(handle_.get()) != CONNECTION_OK) co_return std::unexpected(last_error());
            continue; // the end of one statement's results
        }
        const ExecStatusType status = PQresultStatus(result.get());
        if (status == PGRES_PIPELINE_SYNC) break;
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            // The connection's end comes as a result too, and no sync follows it.
            if (error.empty()) error = PQresultErrorMessage(result.get());
            if (PQstatus(handle_.get()) != CONNECTION_OK) co_return std::unexpected(error);
            continue;
        }
        if (next < is_query_.size() && is_query_[next]) results.push_back(rows_of(result.get()));
        ++next;
    }
    if (!error.empty()) co_return std::unexpected(error);
    co_return results;
}

Task<std::expected<std::vector<Rows>, std::string>>
PostgresConnection::run(const std::vector<Statement>& batch, Clock::time_point deadline) {
    io_->expired = false;
    timer_.expires_at(deadline);
    timer_.async_wait([io = io_](boost::system::error_code error) {
        if (error) return;
        io->expired = true;
        io->socket.cancel(error);
    });
    if (!send_batch(batch, deadline)) co_return std::unexpected(last_error());
    const bool sent = co_await flush();
    if (!sent) co_return std::unexpected(last_error());
    auto results = co_await receive(batch.size());
    timer_.cancel();
    co_return results;
}

} // namespace npcchat::db
