// Errors as values: what went wrong, as the client may read it, and the status that says it.
#pragma once

#include <expected>
#include <string>
#include <type_traits>
#include <utility>

namespace npcchat {

// `detail` goes out to clients as it stands: it never holds a key, a password, a host name or a text of a
// player.
struct Error {
    int status = 500;
    std::string detail;
    int retry_after = 0; // seconds; 0: no Retry-After header
    std::string allow;   // the Allow header of a 405, else empty
};

template <class T> using Result = std::expected<T, Error>;

// `change` applied to the value, or the error as it is. (libstdc++ 12's std::expected has no transform().)
template <class T, class F> auto map(Result<T> result, F change) -> Result<std::invoke_result_t<F, T>> {
    if (!result) return std::unexpected(std::move(result.error()));
    return change(std::move(*result));
}

inline std::unexpected<Error> fail(int status, std::string detail, int retry_after = 0) {
    return std::unexpected(Error{status, std::move(detail), retry_after, {}});
}

inline std::unexpected<Error> store_unavailable() {
    return fail(503, "A store is not available, try again", 1);
}

} // namespace npcchat
