// Wall-clock time in the forms that the stores and the API use.
#pragma once

#include <cstdint>
#include <string>

namespace npcchat {

using Millis = std::int64_t; // milliseconds since 1970-01-01T00:00:00Z

Millis now_ms();

// A clock that never jumps, for measuring other clocks against: milliseconds since some start.
Millis steady_ms();

// RFC 3339 in UTC with milliseconds, e.g. "2026-01-31T09:30:00.125Z".
std::string rfc3339(Millis time);

} // namespace npcchat
