// The running service: the event loops, their stores and servers, from start to drained end.
#pragma once

#include "config/config.hpp"

#include <expected>
#include <string>

namespace npcchat {

// Makes the stores ready (migrations), listens, serves until SIGTERM or SIGINT, finishes what is in flight.
// The error says why it could not start.
std::expected<void, std::string> run_service(const Config& config);

// Makes the catalog's database ready; waits up to 60 s for a PostgreSQL that is not up yet.
std::expected<void, std::string> prepare_database(const Config& config);

} // namespace npcchat
