// What PostgreSQL is told with NOTIFY, heard on a connection that is kept for it.
#pragma once

#include "db/postgres_connection.hpp"
#include "io/worker.hpp"

#include <functional>

namespace npcchat::db {

class PostgresListener {
  public:
    // `url`: any libpq connection string, of the server itself or a pool that keeps sessions. `connector`
    // opens the connections.
    PostgresListener(Executor executor, std::string url, Worker& connector, std::string channel);

    // Never returns. `heard` gets what was said on the channel, each once. `connected` is called whenever a
    // connection has begun to listen: what was said before that, nobody has heard.
    Task<void> run(std::function<void()> connected, std::function<void(std::string_view)> heard);

  private:
    struct Listening;
    Task<void> listen(std::shared_ptr<Listening> listening,
                      const std::function<void(std::string_view)>& heard);

    Executor executor_;
    std::string url_;
    Worker& connector_;
    std::string channel_;
};

} // namespace npcchat::db
