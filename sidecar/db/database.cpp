#include "db/database.hpp"

#include <charconv>

namespace npcchat::db {

std::int64_t to_integer(const std::optional<std::string>& field) {
    std::int64_t number = 0;
    if (field) std::from_chars(field->data(), field->data() + field->size(), number);
    return number;
}

Task<Result<Rows>> run_one(Database& database, std::string_view sql, std::vector<Value> params) {
    std::vector<Statement> batch;
    batch.push_back({sql, std::move(params)});
    auto results = co_await database.run(std::move(batch));
    if (!results) co_return std::unexpected(std::move(results.error()));
    co_return std::move(results->front());
}

} // namespace npcchat::db
