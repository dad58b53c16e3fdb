// `npcchat-sidecar import-seed`: takes over what the FastAPI system left in PostgreSQL and Redis.
#pragma once

#include "transfer/on_stores.hpp"

#include <optional>
#include <string>

namespace npcchat {

// Reads SEED_DATABASE_URL (tables public.users and public.npcs) and the Redis of `redis_url`, else of
// REDIS_URL; writes into the stores of `config`. Prints what it did. Run again, it changes nothing. The error
// is for the operator.
Outcome import_seed(const Config& config, const Environment& environment,
                    const std::optional<std::string>& redis_url);

} // namespace npcchat
