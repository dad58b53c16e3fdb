// A relational database as the stores see it: batches of statements, each batch whole or not at all.
//
// The same SQL runs on PostgreSQL and SQLite; what differs lives in the two drivers and in sql/. Both offer
// the SQL function now_ms(): milliseconds since 1970, by the database's clock.
#pragma once

#include "base/error.hpp"
#include "io/task.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace npcchat::db {

// A parameter, $1 and so on in the SQL. Integers are bigint, strings text (valid UTF-8 without NUL).
using Value = std::variant<std::int64_t, std::string>;

struct Statement {
    std::string_view sql; // static: drivers prepare it once a connection and keep it by its address
    std::vector<Value> params;
};

// A field is its text form, or nothing for NULL. Booleans are stored as integers 0 and 1.
using Row = std::vector<std::optional<std::string>>;
using Rows = std::vector<Row>;

std::int64_t to_integer(const std::optional<std::string>& field);

// For what the two can only say differently: full text, and lists in a parameter.
enum class Dialect { sqlite, postgresql };

class Database {
  public:
    virtual ~Database() = default;

    virtual Dialect dialect() const = 0;

    // Runs the statements in order, in one transaction. One Rows for each statement. 503 where the database
    // is down, or has not answered within the time given at its making: a batch that has not begun by then
    // never begins, even where the server wakes up later.
    virtual Task<Result<std::vector<Rows>>> run(std::vector<Statement> batch) = 0;
};

// The rows of a batch of one.
Task<Result<Rows>> run_one(Database& database, std::string_view sql, std::vector<Value> params);

} // namespace npcchat::db
