#include "stores.hpp"

#include "db/measured_database.hpp"
#include "db/migrations.hpp"
#include "db/postgres.hpp"
#include "db/postgres_listener.hpp"
#include "db/sqlite.hpp"
#include "session/redis_idempotency_store.hpp"
#include "session/redis_token_budget.hpp"
#include "session/sql_idempotency_store.hpp"
#include "session/sql_session_store.hpp"
#include "session/tiered_session_store.hpp"

namespace npcchat {

StoreBackends::~StoreBackends() = default;

std::expected<std::unique_ptr<StoreBackends>, std::string> StoreBackends::open(const Config& config) {
    std::unique_ptr<StoreBackends> backends(new StoreBackends(config));
    if (config.sqlite_path.empty()) return backends;
    for (auto* connection : {&backends->sqlite_, &backends->sqlite_searched_}) {
        auto handle = db::open_sqlite(config.sqlite_path);
        if (!handle) return std::unexpected(std::move(handle.error()));
        *connection = std::make_shared<db::Sqlite>(std::move(*handle), config.store_timeout);
    }
    return backends;
}

std::unique_ptr<db::PostgresListener> StoreBackends::changes(Executor executor) {
    if (sqlite_) return nullptr;
    return std::make_unique<db::PostgresListener>(executor, config_.postgres_url, connector_,
                                                  EmbeddingStore::kChangesChannel);
}

void StoreBackends::stop() {
    connector_.stop();
    if (sqlite_) sqlite_->stop();
    if (sqlite_searched_) sqlite_searched_->stop();
}

Stores::Stores(Executor executor, StoreBackends& backends) {
    const Config& config = backends.config_;
    std::shared_ptr<db::Database> database = backends.sqlite_;
    if (!database) {
        database = std::make_shared<db::Postgres>(executor, config.postgres_url, backends.connector_,
                                                  config.store_timeout);
    }
    database_ = std::make_unique<db::MeasuredDatabase>(std::move(database));
    catalog_ = std::make_unique<Catalog>(*database_);
    if (const auto& sqlite = backends.sqlite_) {
        db::Sqlite& searched = *backends.sqlite_searched_;
        documents_ = std::make_unique<DocumentStore>(sqlite->background(), searched);
        embeddings_ = std::make_unique<EmbeddingStore>(sqlite->background(), searched.background());
    } else {
        documents_ = std::make_unique<DocumentStore>(*database_, *database_);
        embeddings_ = std::make_unique<EmbeddingStore>(*database_, *database_);
    }
    if (config.redis) {
        redis_ = Redis::open(executor, *config.redis, config.store_timeout, config.redis_replicas);
        const Millis idle_ttl = config.chat_ttl.count();
        if (const Millis after = config.archive_after.count(); after > 0) {
            auto tiered =
                std::make_unique<TieredSessionStore>(executor, *redis_, *database_, after, idle_ttl);
            tiered_ = tiered.get();
            sessions_ = std::move(tiered);
        } else {
            sessions_ = std::make_unique<RedisSessionStore>(*redis_, idle_ttl);
        }
        tokens_ = std::make_unique<RedisTokenBudget>(*redis_);
        repeats_ = std::make_unique<RedisIdempotencyStore>(*redis_);
    } else {
        sessions_ = std::make_unique<SqlSessionStore>(*database_, config.chat_ttl.count());
        tokens_ = std::make_unique<LocalTokenBudget>(backends.token_accounts_, *catalog_);
        repeats_ = std::make_unique<SqlIdempotencyStore>(*database_);
    }
}

Stores::~Stores() = default;

db::Database& Stores::database() const {
    return *database_;
}

const StoreMetrics& Stores::database_metrics() const {
    return database_->metrics();
}

} // namespace npcchat
