#include "session/idempotency.hpp"

#include "base/ids.hpp"

#include <fmt/format.h>

namespace npcchat {

IdempotencyKey idempotency_key(UserId user_id, std::string_view route, std::string_view key) {
    return {user_id, sha256_hex(fmt::format("{}\n{}", route, key))};
}

} // namespace npcchat
