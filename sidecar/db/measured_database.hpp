// A database that measures how long it takes.
#pragma once

#include "base/store_metrics.hpp"
#include "db/database.hpp"

namespace npcchat::db {

class MeasuredDatabase final : public Database {
  public:
    explicit MeasuredDatabase(std::shared_ptr<Database> database) : database_(std::move(database)) {}

    Dialect dialect() const override { return database_->dialect(); }

    Task<Result<std::vector<Rows>>> run(std::vector<Statement> batch) override {
        const StoreMetrics::Use use(metrics_);
        co_return co_await database_->run(std::move(batch));
    }

    const StoreMetrics& metrics() const { return metrics_; }

  private:
    std::shared_ptr<Database> database_;
    StoreMetrics metrics_;
};

} // namespace npcchat::db
