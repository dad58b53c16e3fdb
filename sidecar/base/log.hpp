// The sidecar's own log: JSON lines on standard error, written by one thread-safe buffer.
//
// A line never holds a key, a digest, a password, a prompt or a message of a player (LOG_MESSAGES apart,
// which the operator sets).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace npcchat {

enum class Level { info, warning, error };

struct LogField {
    std::string_view name;
    std::variant<std::string_view, std::int64_t, double> value;
};

// Lines of level info are written by flush_log(), which the service calls every 200 ms, or when the buffer is
// full; others at once.
void log(Level level, std::string_view event, std::initializer_list<LogField> fields = {});
void flush_log();

} // namespace npcchat
