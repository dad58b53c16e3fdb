#include "io/traces.hpp"

#include "base/json.hpp"
#include "base/log.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr std::size_t kMaxWaiting = 4096;
constexpr auto kEvery = std::chrono::seconds(1);
constexpr HttpTimeouts kTimeouts{std::chrono::seconds(1), std::chrono::seconds(2), std::chrono::seconds(2),
                                 std::chrono::seconds(2)};

// Since 1970. The clock that measured cannot be set, so that a span never ends before it begins.
std::int64_t nanoseconds(Clock::time_point time) {
    const auto now = std::chrono::system_clock::now().time_since_epoch() - (Clock::now() - time);
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void append_attribute(std::string& out, std::string_view name, const Span::Value& value) {
    out += R"({"key":)";
    append_json_string(out, name);
    // 64-bit integers are strings in protobuf's JSON.
    if (const auto* text = std::get_if<std::string>(&value)) {
        out += R"(,"value":{"stringValue":)";
        append_json_string(out, *text);
        out += "}}";
    } else {
        fmt::format_to(std::back_inserter(out), R"(,"value":{{"intValue":"{}"}}}})",
                       std::get<std::int64_t>(value));
    }
}

void append_span(std::string& out, const Span& span) {
    constexpr int kError = 2;
    fmt::format_to(std::back_inserter(out),
                   R"({{"traceId":"{}","spanId":"{}","parentSpanId":"{}","kind":{},)"
                   R"("startTimeUnixNano":"{}","endTimeUnixNano":"{}","status":{{{}}},"name":)",
                   span.parent.trace_id, span.id, span.parent.span_id, static_cast<int>(span.kind),
                   nanoseconds(span.begun), nanoseconds(span.ended),
                   span.failed ? fmt::format("\"code\":{}", kError) : "");
    append_json_string(out, span.name);
    out += R"(,"attributes":[)";
    for (const auto& [name, value] : span.attributes) {
        append_attribute(out, name, value);
        out += ',';
    }
    if (!span.attributes.empty()) out.pop_back();
    out += "]}";
}

} // namespace

std::string otlp_json(std::string_view service, const std::vector<Span>& spans) {
    std::string out = R"({"resourceSpans":[{"resource":{"attributes":[)";
    append_attribute(out, "service.name", std::string(service));
    out += R"(]},"scopeSpans":[{"scope":{"name":"npcchat"},"spans":[)";
    for (const Span& span : spans) {
        append_span(out, span);
        out += ',';
    }
    if (!spans.empty()) out.pop_back();
    out += "]}]}]}";
    return out;
}

Traces::Traces(Executor executor, HttpClient& http, const TraceSettings& settings)
    : http_(http), settings_(settings), timer_(executor) {
    if (!settings_.endpoint.empty()) spawn(executor, "traces", [this] { return send_every_second(); });
}

std::optional<TraceContext> Traces::begin(std::string_view traceparent) const {
    if (settings_.endpoint.empty()) return std::nullopt;
    return parse_traceparent(traceparent);
}

void Traces::record(Span span) {
    if (waiting_.size() < kMaxWaiting) waiting_.push_back(std::move(span));
}

Task<void> Traces::flush() {
    if (waiting_.empty()) co_return;
    HttpRequest request;
    request.url = settings_.endpoint + "/v1/traces";
    request.headers = settings_.headers;
    request.headers.emplace_back("Content-Type: application/json");
    request.body = otlp_json(settings_.service, std::exchange(waiting_, {}));
    request.timeouts = kTimeouts;
    const auto answer = co_await http_.post(std::move(request));
    const bool taken = answer && answer->status / 100 == 2;
    if (!taken && !complained_) {
        log(Level::warning, "traces are not taken", {{"status", std::int64_t{answer ? answer->status : 0}}});
    }
    complained_ = !taken;
}

Task<void> Traces::send_every_second() {
    for (;;) {
        timer_.expires_after(kEvery);
        co_await timer_.async_wait(use_task);
        co_await flush();
    }
}

} // namespace npcchat
