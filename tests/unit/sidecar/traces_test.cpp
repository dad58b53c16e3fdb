#include "io/traces.hpp"

#include "base/json.hpp"

#include <gtest/gtest.h>
#include <regex>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

constexpr auto kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr auto kSpan = "00f067aa0ba902b7";

std::string traceparent(const std::string& flags = "01", const std::string& version = "00") {
    return version + '-' + kTrace + '-' + kSpan + '-' + flags;
}

TEST(Traceparent, NamesTheTraceAndTheSpan) {
    const auto context = parse_traceparent(traceparent());
    ASSERT_TRUE(context.has_value());
    EXPECT_EQ(context->trace_id, kTrace);
    EXPECT_EQ(context->span_id, kSpan);
}

TEST(Traceparent, LaterVersionsMaySayMore) {
    EXPECT_TRUE(parse_traceparent(traceparent("01", "cc")));
    EXPECT_TRUE(parse_traceparent(traceparent("01", "01") + "-what-comes-later"));
    EXPECT_FALSE(parse_traceparent(traceparent("01", "01") + "what-comes-later"));
    EXPECT_FALSE(parse_traceparent(traceparent() + "-what-comes-later"));
}

TEST(Traceparent, OnlySampledOnesAreRecorded) {
    for (const auto* flags : {"01", "03", "ff", "0b"})
        EXPECT_TRUE(parse_traceparent(traceparent(flags))) << flags;
    for (const auto* flags : {"00", "02", "fe", "0a"})
        EXPECT_FALSE(parse_traceparent(traceparent(flags))) << flags;
}

TEST(Traceparent, MalformedOnesAreNone) {
    const std::string good = traceparent();
    for (const auto& bad :
         {""s, "00"s, good.substr(1), good.substr(0, good.size() - 1), traceparent("01", "ff"),
          traceparent("0g"), "00-" + std::string(32, '0') + "-" + kSpan + "-01",
          "00-"s + kTrace + "-" + std::string(16, '0') + "-01",
          std::regex_replace(good, std::regex("4bf9"), "4BF9"),
          std::regex_replace(good, std::regex("-"), "_")})
        EXPECT_FALSE(parse_traceparent(bad)) << bad;
}

TEST(SpanId, IsNewEachTime) {
    const std::string one = new_span_id();
    EXPECT_TRUE(std::regex_match(one, std::regex("[0-9a-f]{16}")));
    EXPECT_NE(one, new_span_id());
}

TEST(OtlpJson, IsWhatACollectorReads) {
    const auto begun = Clock::now() - 20ms;
    Span span{{kTrace, kSpan}, "1112131415161718", "chat \"x\"", SpanKind::client, begun};
    span.ended = begun + 10ms;
    span.attributes = {{"gen_ai.request.model", "a\"b"}, {"gen_ai.usage.input_tokens", std::int64_t{12}}};
    span.failed = true;
    const auto json = parse_json(otlp_json("my \"service\"", {span, span}));
    ASSERT_TRUE(json.has_value());
    const json_t* resource = json_array_get(json_object_get(json->get(), "resourceSpans"), 0);
    const auto attribute = [](const json_t* of, std::size_t index) {
        return json_object_get(json_array_get(json_object_get(of, "attributes"), index), "value");
    };
    EXPECT_STREQ(json_string_value(
                     json_object_get(attribute(json_object_get(resource, "resource"), 0), "stringValue")),
                 "my \"service\"");
    const json_t* spans =
        json_object_get(json_array_get(json_object_get(resource, "scopeSpans"), 0), "spans");
    ASSERT_EQ(json_array_size(spans), 2U);
    const json_t* first = json_array_get(spans, 0);
    const auto text = [first](const char* name) { return json_string_value(json_object_get(first, name)); };
    EXPECT_STREQ(text("traceId"), kTrace);
    EXPECT_STREQ(text("parentSpanId"), kSpan);
    EXPECT_STREQ(text("spanId"), "1112131415161718");
    EXPECT_STREQ(text("name"), "chat \"x\"");
    EXPECT_EQ(json_integer_value(json_object_get(first, "kind")), 3);
    EXPECT_EQ(json_integer_value(json_object_get(json_object_get(first, "status"), "code")), 2);
    EXPECT_NEAR(std::stod(text("endTimeUnixNano")) - std::stod(text("startTimeUnixNano")), 10e6, 5e6);
    EXPECT_STREQ(json_string_value(json_object_get(attribute(first, 0), "stringValue")), "a\"b");
    EXPECT_STREQ(json_string_value(json_object_get(attribute(first, 1), "intValue")), "12");
}

TEST(OtlpJson, OfNothingIsStillARequest) {
    EXPECT_TRUE(parse_json(otlp_json("npcchat", {})).has_value());
}

} // namespace
} // namespace npcchat
