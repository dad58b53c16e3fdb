// The place of a request in a trace: W3C's trace context, https://www.w3.org/TR/trace-context/
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace npcchat {

// A span that others are part of.
struct TraceContext {
    std::string trace_id; // 32 lower-case hexadecimal digits
    std::string span_id;  // 16
};

// Of a `traceparent`; nothing where it is malformed, or says that nobody records this trace.
std::optional<TraceContext> parse_traceparent(std::string_view text);

// 16 hexadecimal digits, for a span of ours.
std::string new_span_id();

} // namespace npcchat
