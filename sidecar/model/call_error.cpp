#include "model/call_error.hpp"

namespace npcchat {
namespace {

std::optional<CallFailure> failure_of(HttpFailure failure) {
    switch (failure) {
    case HttpFailure::unreachable:
        return CallFailure::unreachable;
    case HttpFailure::timed_out:
        return CallFailure::timed_out;
    case HttpFailure::too_large:
        return CallFailure::unusable;
    case HttpFailure::broken:
        return CallFailure::broken;
    case HttpFailure::cancelled:
        break;
    }
    return std::nullopt;
}

} // namespace

CallError call_failed(HttpFailure failure) {
    return {endpoint_failed(failure), failure_of(failure)};
}

CallError call_refused(int status, std::optional<std::chrono::seconds> retry_after) {
    return {refusal(status, retry_after), failure_of_status(status), retry_after};
}

CallError call_unusable(Error error) {
    // An endpoint may begin a stream and say only then that it is busy.
    const bool busy = error.status == 503;
    return {std::move(error), busy ? CallFailure::busy : CallFailure::unusable};
}

} // namespace npcchat
