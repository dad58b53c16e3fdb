// One connection to PostgreSQL: opened blocking (on a worker thread or before the loops run), used
// asynchronously.
#pragma once

#include "base/clock.hpp"
#include "db/database.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <libpq-fe.h>
#include <unordered_map>

namespace npcchat::db {

struct PgFinish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
using PgHandle = std::unique_ptr<PGconn, PgFinish>;
struct PgClear {
    void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, PgClear>;

// Connects within two seconds (or what the URL's connect_timeout says). The error is libpq's text: for the
// operator, not for clients.
std::expected<PgHandle, std::string> open_postgres(const std::string& url);

class PostgresConnection {
  public:
    // What `open` gives back and the constructor takes; made on another thread.
    struct Opened {
        PgHandle handle;
        Millis clock_offset = 0; // server's clock minus our steady one
    };
    // Opens, selects our schema, reads the server's clock.
    static std::expected<Opened, std::string> open(const std::string& url);

    PostgresConnection(Executor executor, Opened opened);
    ~PostgresConnection();
    PostgresConnection(const PostgresConnection&) = delete;
    PostgresConnection& operator=(const PostgresConnection&) = delete;

    // False where the server has closed the idle connection.
    bool is_alive();

    // See Database::run. After an error the connection is to be thrown away. The error is the operator's.
    Task<std::expected<std::vector<Rows>, std::string>> run(const std::vector<Statement>& batch,
                                                            Clock::time_point deadline);

  private:
    using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

    bool send(const Statement& statement);
    bool send_batch(const std::vector<Statement>& batch, Clock::time_point deadline);
    Task<bool> wait(Descriptor::wait_type what);
    Task<bool> flush();
    Task<std::expected<std::vector<Rows>, std::string>> receive(std::size_t statements);
    std::string last_error() const;

    // Shared with the deadline's timer, whose handler may run after the connection's end.
    struct Io {
        Io(Executor executor, int fd) : socket(executor, fd) {}
        Descriptor socket;
        bool expired = false;
    };

    PgHandle handle_;
    std::shared_ptr<Io> io_;
    Timer timer_;
    Millis clock_offset_;
    std::unordered_map<const char*, std::string> prepared_;
    std::vector<bool> is_query_; // for each result to come: rows wanted, or a PREPARE or guard to skip
};

} // namespace npcchat::db
