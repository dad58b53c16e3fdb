#include "session/idempotency.hpp"

#include "base/ids.hpp"

#include <fmt/format.h>

namespace npcchat {

IdempotencyKey idempotency_key(UserId user_id, std::string_view route, std::string_view key) {
    return {user_id, sha256_hex(fmt::format("{}\n{}", route, key))};
}

std::string repeat_tag(const IdempotencyKey& key, std::string_view body_digest) {
    return sha256_hex(fmt::format("{}\n{}\n{}", key.user_id, key.digest, body_digest)).substr(0, 32);
}

} // namespace npcchat
