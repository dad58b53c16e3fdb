// Database on PostgreSQL: a small pool of connections for one event loop.
#pragma once

#include "db/database.hpp"
#include "io/worker.hpp"

#include <deque>

namespace npcchat::db {

class PostgresConnection;

class Postgres final : public Database {
  public:
    // `url`: any libpq connection string. `connector` opens the connections; `limit` bounds every run().
    Postgres(Executor executor, std::string url, Worker& connector, Clock::duration limit);
    ~Postgres() override;

    Dialect dialect() const override { return Dialect::postgresql; }
    Task<Result<std::vector<Rows>>> run(std::vector<Statement> batch) override;

  private:
    using Connection = std::unique_ptr<PostgresConnection>;
    struct Waiter; // a run() that waits for a connection

    Task<Connection> acquire(Clock::time_point deadline);
    void give_back(Connection connection);
    void hand_over(Connection connection);
    Task<void> connect();

    Executor executor_;
    std::string url_;
    Worker& connector_;
    Clock::duration limit_;
    std::vector<Connection> idle_;
    std::deque<std::shared_ptr<Waiter>> waiters_;
    int open_ = 0; // in use, idle or being opened
    Clock::time_point retry_at_{};
    Clock::duration backoff_{};
    std::shared_ptr<void> alive_ =
        std::make_shared<char>(); // ends with the pool, which connect() may outlive
};

} // namespace npcchat::db
