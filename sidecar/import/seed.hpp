// `npcchat-sidecar import-seed`: takes over what the FastAPI system left in PostgreSQL and Redis.
#pragma once

#include "config/config.hpp"

#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace npcchat {

// Reads SEED_DATABASE_URL (tables public.users and public.npcs) and the Redis of `--redis URL`, else of
// REDIS_URL; writes into the stores of `config`. Prints what it did. Run again, it changes nothing. The error
// is for the operator.
std::expected<void, std::string> import_seed(const Config& config, const Environment& environment,
                                             std::span<const std::string_view> args);

} // namespace npcchat
