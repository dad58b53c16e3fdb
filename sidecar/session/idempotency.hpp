// Requests that may be repeated: the first is carried out, all get its answer.
#pragma once

#include "base/clock.hpp"
#include "base/error.hpp"
#include "catalog/catalog.hpp"

#include <string>

namespace npcchat {

inline constexpr Millis kAnswerMillis = 24 * 3'600'000LL; // that an answer is kept
// That a request runs, unless it is renewed; longer than a chat's lease, so that who comes after finds the
// chat free.
inline constexpr Millis kRunningMillis = 4'000;

// A request by its user, its route and the key that the client gave it, by a digest of both.
struct IdempotencyKey {
    UserId user_id = 0;
    std::string digest;
};
IdempotencyKey idempotency_key(UserId user_id, std::string_view route, std::string_view key);
// What a user's turn with this key and this body is stored with in its chat: 32 hexadecimal digits.
std::string repeat_tag(const IdempotencyKey& key, std::string_view body_digest);

// The right to carry it out.
struct Running {
    IdempotencyKey key;
    std::string token;
};

// What became of a request with this key before.
struct Repeat {
    enum class State { none, running, answered, other_body };
    State state = State::none;
    Running running;    // for `none`: the right is the caller's now
    std::string answer; // for `answered`
};

// 503 where the store is down.
class IdempotencyStore {
  public:
    virtual ~IdempotencyStore() = default;

    virtual Task<Result<Repeat>> begin(IdempotencyKey key, std::string body_digest) = 0;
    virtual Task<void> renew(Running running) = 0;
    // Keeps the answer, where the right was not lost.
    virtual Task<Result<void>> finish(Running running, std::string answer) = 0;
    // There is no answer to be kept: the next one is the first again.
    virtual Task<void> abandon(Running running) = 0;
};

} // namespace npcchat
