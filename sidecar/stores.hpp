// The stores of one event loop, as the configuration names them.
#pragma once

#include "catalog/catalog.hpp"
#include "config/config.hpp"
#include "db/database.hpp"
#include "io/redis.hpp"
#include "io/worker.hpp"
#include "knowledge/embedding_store.hpp"
#include "session/idempotency.hpp"
#include "session/local_token_budget.hpp"
#include "session/session_store.hpp"

#include <memory>

namespace npcchat {

class TieredSessionStore;
namespace db {
class MeasuredDatabase;
class Sqlite;
} // namespace db

// Shared by the loops: SQLite's connections, the thread that connects to PostgreSQL, and users' tokens
// where there is no Redis.
class StoreBackends {
  public:
    // The error is for the operator.
    static std::expected<std::unique_ptr<StoreBackends>, std::string> open(const Config& config);
    ~StoreBackends();

    // Ends the threads. Before the loops are destroyed, and after they have stopped.
    void stop();

  private:
    friend class Stores;
    explicit StoreBackends(const Config& config) : config_(config), connector_(64) {}
    const Config& config_;
    Worker connector_;
    // Null where the catalog is on PostgreSQL. Searches have a connection of their own: they take longer, and
    // need not wait for who writes.
    std::shared_ptr<db::Sqlite> sqlite_;
    std::shared_ptr<db::Sqlite> sqlite_searched_;
    TokenAccounts token_accounts_;
};

class Stores {
  public:
    Stores(Executor executor, StoreBackends& backends);
    ~Stores();

    db::Database& database() const; // that the catalog is in
    Catalog& catalog() { return *catalog_; }
    DocumentStore& documents() { return *documents_; }
    EmbeddingStore& embeddings() { return *embeddings_; }
    SessionStore& sessions() { return *sessions_; }
    TokenBudget& tokens() { return *tokens_; }
    IdempotencyStore& repeats() { return *repeats_; }

    Redis* redis() { return redis_.get(); }                   // null where there is none
    TieredSessionStore* tiered_sessions() { return tiered_; } // null where nothing is archived

    // Of what lies below them; of Redis null where there is none.
    const StoreMetrics& database_metrics() const;
    const StoreMetrics* redis_metrics() const { return redis_ ? &redis_->metrics() : nullptr; }

  private:
    std::unique_ptr<db::MeasuredDatabase> database_;
    std::unique_ptr<Redis> redis_;
    std::unique_ptr<Catalog> catalog_;
    std::unique_ptr<DocumentStore> documents_;
    std::unique_ptr<EmbeddingStore> embeddings_;
    std::unique_ptr<SessionStore> sessions_;
    TieredSessionStore* tiered_ = nullptr; // the same
    std::unique_ptr<TokenBudget> tokens_;
    std::unique_ptr<IdempotencyStore> repeats_;
};

} // namespace npcchat
