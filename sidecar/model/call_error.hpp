// How one call to a target failed: in words for the client, and for what decides whether to ask again.
#pragma once

#include "io/http_client.hpp"
#include "model/openai_wire.hpp"
#include "model/retry.hpp"

namespace npcchat {

struct CallError {
    Error error;                        // for the client, where it is the last word
    std::optional<CallFailure> failure; // nothing: not the target's, and nobody is to be asked instead
    std::optional<std::chrono::seconds> retry_after = std::nullopt; // as the target said
};

template <class T> using Tried = std::expected<T, CallError>;

// No answer, or a part of one.
CallError call_failed(HttpFailure failure);
// An answer with a status other than 2xx.
CallError call_refused(int status, std::optional<std::chrono::seconds> retry_after);
// An answer in which nothing can be used.
CallError call_unusable(Error error);

} // namespace npcchat
