// Spans of one event loop, sent in the background to a collector by OTLP/HTTP in its JSON form:
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
#pragma once

#include "base/trace_context.hpp"
#include "io/http_client.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace npcchat {

struct TraceSettings {
    std::string endpoint;             // of the collector, without /v1/traces; empty: nothing is recorded
    std::string service = "npcchat";  // its name in the traces
    std::vector<std::string> headers; // "Name: value", for the collector
};

enum class SpanKind { server = 2, client = 3 }; // OTLP's numbers

// Something that was done, as part of `parent`.
struct Span {
    using Value = std::variant<std::string, std::int64_t>;

    TraceContext parent;
    std::string id;
    std::string name;
    SpanKind kind = SpanKind::server;
    Clock::time_point begun;
    std::vector<std::pair<std::string_view, Value>> attributes = {};
    bool failed = false;
    Clock::time_point ended = Clock::now();
};

// A body of OTLP's ExportTraceServiceRequest.
std::string otlp_json(std::string_view service, const std::vector<Span>& spans);

class Traces {
  public:
    // Sends every second what was recorded. Up to 4,096 spans wait; more, and what the collector does not
    // take, is dropped: traces never hold up what they are about.
    Traces(Executor executor, HttpClient& http, const TraceSettings& settings);

    // What a request with this `traceparent` is part of; nothing where that is not recorded.
    std::optional<TraceContext> begin(std::string_view traceparent) const;
    void record(Span span);

    // Sends what waits.
    Task<void> flush();

  private:
    Task<void> send_every_second();

    HttpClient& http_;
    const TraceSettings& settings_;
    Timer timer_;
    std::vector<Span> waiting_;
    bool complained_ = false; // about a collector that does not take them
};

} // namespace npcchat
