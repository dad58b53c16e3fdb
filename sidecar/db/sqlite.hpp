// Database on SQLite: one connection on one thread, shared by all event loops. A second one copies the
// write-ahead log into the database, which would keep those waiting who commit.
#pragma once

#include "db/database.hpp"
#include "io/worker.hpp"

#include <sqlite3.h>

namespace npcchat::db {

struct SqliteClose {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};
using SqliteHandle = std::unique_ptr<sqlite3, SqliteClose>;

// Opens or makes the file (mode 0600), in WAL mode, with the functions that our SQL has. The error is for the
// operator.
std::expected<SqliteHandle, std::string> open_sqlite(const std::string& path);

class Sqlite final : public Database {
  public:
    // `limit` bounds every run().
    Sqlite(SqliteHandle handle, Clock::duration limit);
    ~Sqlite() override;

    Dialect dialect() const override { return Dialect::sqlite; }
    Task<Result<std::vector<Rows>>> run(std::vector<Statement> batch) override;

    // The same for what can wait: batches stand back behind those of run(). Lives as long as this.
    Database& background() { return background_; }

    void stop(); // see Worker::stop

  private:
    struct Connection; // touched by the worker's thread alone
    struct Checkpointer;
    class Background final : public Database {
      public:
        explicit Background(Sqlite& owner) : owner_(owner) {}
        Dialect dialect() const override { return Dialect::sqlite; }
        Task<Result<std::vector<Rows>>> run(std::vector<Statement> batch) override;

      private:
        Sqlite& owner_;
    };

    Task<Result<std::vector<Rows>>> run_in(Lane lane, std::vector<Statement> batch);
    void committed(int log_pages);

    std::shared_ptr<Connection> connection_;
    Clock::duration limit_;
    Background background_{*this};
    std::unique_ptr<Checkpointer> checkpointer_; // made with the first checkpoint; the worker's too
    Worker worker_;
};

} // namespace npcchat::db
