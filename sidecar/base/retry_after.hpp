// The Retry-After header of others.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace npcchat {

// How long to wait from `now` on: RFC 9110, 10.2.3, whole seconds or a date in any of the three forms
// of 5.6.7. Not negative, a date that has passed is 0. Nothing for a malformed value.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, std::chrono::sys_seconds now);

} // namespace npcchat
