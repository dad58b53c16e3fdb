#include "db/postgres.hpp"

#include "base/log.hpp"
#include "db/postgres_connection.hpp"

#include <algorithm>

namespace npcchat::db {
namespace {

using namespace std::chrono_literals;

constexpr int kConnections = 4; // a loop: enough to overlap commits, few enough for many sidecars
constexpr std::size_t kMaxWaiters = 1024;
constexpr Clock::duration kFirstBackoff = 50ms;
constexpr Clock::duration kMaxBackoff = 1s;
constexpr Clock::duration kMaxConnect = 10s; // libpq's own time-out is for each host of the URL

} // namespace

struct Postgres::Waiter {
    explicit Waiter(Executor executor) : timer(executor) {}
    void finish(Connection connection) {
        timer.cancel();
        if (resume) std::exchange(resume, nullptr)(std::move(connection));
    }
    Timer timer;
    Resume<Connection> resume;
};

Postgres::Postgres(Executor executor, std::string url, Worker& connector, Clock::duration limit)
    : executor_(executor), url_(std::move(url)), connector_(connector), limit_(limit) {}

Postgres::~Postgres() = default;

Task<void> Postgres::connect() {
    const std::weak_ptr<void> pool = alive_;
    auto opened = co_await connector_.run(executor_, kMaxConnect,
                                          [url = url_] { return PostgresConnection::open(url); });
    if (pool.expired()) co_return;
    if (opened && *opened) {
        backoff_ = {};
        hand_over(std::make_unique<PostgresConnection>(executor_, std::move(**opened)));
        co_return;
    }
    --open_;
    backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kMaxBackoff);
    retry_at_ = Clock::now() + backoff_;
    log(Level::error, "PostgreSQL connection failed",
        {{"error", opened ? std::string_view(opened->error()) : "no answer within the deadline"}});
    for (auto& waiter : std::exchange(waiters_, {})) {
        asio::post(executor_, [waiter] { waiter->finish(nullptr); });
    }
}

void Postgres::hand_over(Connection connection) {
    if (waiters_.empty()) {
        idle_.push_back(std::move(connection));
        return;
    }
    auto waiter = std::move(waiters_.front());
    waiters_.pop_front();
    waiter->finish(std::move(connection));
}

void Postgres::give_back(Connection connection) {
    if (connection)
        hand_over(std::move(connection));
    else
        --open_;
}

Task<Postgres::Connection> Postgres::acquire(Clock::time_point deadline) {
    while (!idle_.empty()) {
        Connection connection = std::move(idle_.back());
        idle_.pop_back();
        if (connection->is_alive()) co_return connection;
        --open_;
    }
    if (waiters_.size() >= kMaxWaiters || (open_ == 0 && Clock::now() < retry_at_)) co_return nullptr;
    if (open_ < kConnections && Clock::now() >= retry_at_) {
        ++open_;
        spawn(executor_, "postgres connect", [this] { return connect(); });
    }
    auto waiter = std::make_shared<Waiter>(executor_);
    waiters_.push_back(waiter);
    co_return co_await suspend<Connection>([this, waiter, deadline](Resume<Connection> resume) {
        waiter->resume = std::move(resume);
        waiter->timer.expires_at(deadline);
        waiter->timer.async_wait([this, waiter](boost::system::error_code error) {
            if (error) return;
            std::erase(waiters_, waiter);
            waiter->finish(nullptr);
        });
    });
}

Task<Result<std::vector<Rows>>> Postgres::run(std::vector<Statement> batch) {
    const auto deadline = Clock::now() + limit_;
    Connection connection = co_await acquire(deadline);
    if (!connection) co_return store_unavailable();
    auto results = co_await connection->run(batch, deadline);
    if (!results) {
        // After an error the state of prepared statements is unknown: start afresh.
        log(Level::error, "PostgreSQL query failed", {{"error", std::string_view(results.error())}});
        connection.reset();
        give_back(nullptr);
        co_return store_unavailable();
    }
    give_back(std::move(connection));
    co_return std::move(*results);
}

} // namespace npcchat::db
