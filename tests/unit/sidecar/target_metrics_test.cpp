#include "model/target_metrics.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

ModelTablePtr table_at(const char* base_url) {
    return ModelTable::from_environment(
               [base_url](const char* name) -> std::optional<std::string> {
                   if (std::string_view(name) == "OPENAI_BASE_URL") return base_url;
                   if (std::string_view(name) == "OPENAI_API_KEY") return "sk-secret";
                   return std::nullopt;
               },
               HttpTimeouts{})
        .value();
}

std::string text_of(const ModelTable& table) {
    PrometheusText out;
    write_target_metrics(out, table);
    return out.take();
}

TEST(TargetMetrics, ShowEveryTarget) {
    const auto table = table_at("http://127.0.0.1:1/v1");
    TargetPool& pool = *table->find("gpt-4o")->pool;
    const auto now = TargetPool::Clock::now();
    pool.begin({}, TargetPool::Health::good, now)->call.answered(now);
    for (int i = 0; i < Breaker::kFailures; ++i)
        pool.begin({}, TargetPool::Health::any, now)
            ->call.failed(CallFailure::server_error, std::nullopt, now);
    const auto under_way = pool.begin({}, TargetPool::Health::any, now);
    pool.queue().enter([] {});

    const std::string text = text_of(*table);
    const std::string labels = R"({model="gpt-4o",target="0",endpoint="http://127.0.0.1:1/v1")";
    EXPECT_TRUE(text.contains("npcchat_model_target_state" + labels + "} 1\n")) << text;
    EXPECT_TRUE(text.contains("npcchat_model_target_in_flight" + labels + "} 1\n")) << text;
    EXPECT_TRUE(text.contains("npcchat_model_target_answers_total" + labels + "} 1\n")) << text;
    EXPECT_TRUE(text.contains("npcchat_model_target_failures_total" + labels + ",kind=\"server_error\"} 5\n"))
        << text;
    EXPECT_TRUE(text.contains("npcchat_model_queue_length{model=\"gpt-4o\"} 1\n")) << text;
    EXPECT_TRUE(text.contains(R"(npcchat_model_target_state{model="gpt-4o-mini")")) << text;
    EXPECT_FALSE(text.contains("sk-secret"));
}

TEST(TargetMetrics, EveryNameIsDescribedOnce) {
    const std::string text = text_of(*table_at("http://127.0.0.1:1/v1"));
    for (const auto* name : {"target_state", "target_in_flight", "target_answers_total",
                             "target_failures_total", "queue_length"}) {
        const std::string type = std::string("# TYPE npcchat_model_") + name + " ";
        const auto at = text.find(type);
        ASSERT_NE(at, text.npos) << name;
        EXPECT_EQ(text.find(type, at + 1), text.npos) << name;
    }
}

} // namespace
} // namespace npcchat
