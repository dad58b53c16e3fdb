// The numbered migrations of sql/, built into the program and applied at its start.
//
// A number stands in sql/common, or in both sql/postgresql and sql/sqlite. Migrations only add.
#pragma once

#include "db/sqlite.hpp"

#include <expected>
#include <string>

namespace npcchat::db {

// Both apply what is missing under a lock, so that sidecars that start together wait for each other. They
// refuse a schema that is newer than this program. Errors are texts for the operator.
std::expected<void, std::string> migrate_postgres(const std::string& url);
std::expected<void, std::string> migrate_sqlite(sqlite3* handle);

} // namespace npcchat::db
