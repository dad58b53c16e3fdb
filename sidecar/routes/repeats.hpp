// Requests with an Idempotency-Key: carried out once, whatever the client sees of it, and answered as often
// as asked.
#pragma once

#include "http/message.hpp"
#include "services.hpp"

#include <functional>

namespace npcchat {

// Whether the request has such a key. Who carries it out must then not end with its client.
inline bool is_repeatable(const Request& request) {
    return !request.idempotency_key.empty();
}

// The answer of the first request with this key on this route: what `carry_out` gives, or what it gave within
// the last 24 hours. A failure is not kept. 409 while it runs, 422 where the body is another one or the key
// is malformed. `carry_out` is given the tag that a turn is to be stored with: a failure may be that of the
// answer alone.
Task<Result<std::string>> answer_once(Services& services, const Request& request, std::string_view route,
                                      std::function<Task<Result<std::string>>(std::string)> carry_out);

} // namespace npcchat
