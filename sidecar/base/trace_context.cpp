#include "base/trace_context.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>

namespace npcchat {
namespace {

// "00-" trace id "-" span id "-" flags; later versions may append more.
constexpr std::size_t kTraceAt = 3;
constexpr std::size_t kTraceSize = 32;
constexpr std::size_t kSpanAt = kTraceAt + kTraceSize + 1;
constexpr std::size_t kSpanSize = 16;
constexpr std::size_t kFlagsAt = kSpanAt + kSpanSize + 1;
constexpr std::size_t kSize = kFlagsAt + 2;

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_id(std::string_view text) {
    return std::ranges::all_of(text, is_hex) && std::ranges::any_of(text, [](char c) { return c != '0'; });
}

bool is_sampled(char low_digit) {
    const int value = low_digit <= '9' ? low_digit - '0' : low_digit - 'a' + 10;
    return (value & 1) != 0;
}

} // namespace

std::optional<TraceContext> parse_traceparent(std::string_view text) {
    if (text.size() < kSize || text[2] != '-' || text[kSpanAt - 1] != '-' || text[kFlagsAt - 1] != '-')
        return std::nullopt;
    const std::string_view version = text.substr(0, 2);
    if (!std::ranges::all_of(version, is_hex) || version == "ff") return std::nullopt;
    if (version == "00" ? text.size() != kSize : text.size() > kSize && text[kSize] != '-')
        return std::nullopt;
    const std::string_view trace = text.substr(kTraceAt, kTraceSize);
    const std::string_view span = text.substr(kSpanAt, kSpanSize);
    const std::string_view flags = text.substr(kFlagsAt, 2);
    if (!is_id(trace) || !is_id(span) || !std::ranges::all_of(flags, is_hex)) return std::nullopt;
    if (!is_sampled(flags[1])) return std::nullopt;
    return TraceContext{std::string(trace), std::string(span)};
}

std::string new_span_id() {
    thread_local std::mt19937_64 source{std::random_device{}()};
    return fmt::format("{:016x}", std::max<std::uint64_t>(source(), 1));
}

} // namespace npcchat
