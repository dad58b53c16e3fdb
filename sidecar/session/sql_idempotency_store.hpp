// IdempotencyStore in a database.
#pragma once

#include "db/database.hpp"
#include "session/idempotency.hpp"

namespace npcchat {

class SqlIdempotencyStore final : public IdempotencyStore {
  public:
    explicit SqlIdempotencyStore(db::Database& database) : database_(database) {}

    Task<Result<Repeat>> begin(IdempotencyKey key, std::string body_digest) override;
    Task<void> renew(Running running) override;
    Task<Result<void>> finish(Running running, std::string answer) override;
    Task<void> abandon(Running running) override;

  private:
    db::Database& database_;
};

} // namespace npcchat
