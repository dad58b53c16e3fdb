#include "base/metrics.hpp"
#include "knowledge/search_metrics.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

namespace npcchat {
namespace {

constexpr std::array kNames = {RouteName{"POST", "/chat"}, RouteName{"GET", "/npcs/{id}"}};

class MetricsText : public testing::Test {
  protected:
    std::string text() {
        const std::array<const Metrics*, 2> loops = {first.get(), second.get()};
        PrometheusText out;
        write_metrics(out, loops, kNames);
        return out.take();
    }

    // Every sample's value by its name and labels.
    std::map<std::string, double> samples() {
        std::map<std::string, double> found;
        std::istringstream lines(text());
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with('#')) continue;
            const auto space = line.rfind(' ');
            const bool is_new =
                found.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second;
            EXPECT_TRUE(is_new) << "twice: " << line;
        }
        return found;
    }

    std::unique_ptr<Metrics> first = std::make_unique<Metrics>();
    std::unique_ptr<Metrics> second = std::make_unique<Metrics>();
};

// https://prometheus.io/docs/instrumenting/exposition_formats/
TEST_F(MetricsText, IsAnExposition) {
    add(first->routes[0].by_class[2], 3);
    first->routes[0].duration.observe(0.02);
    add(first->routes[kMaxRoutes - 1].by_class[4]);
    const std::regex sample(
        R"re([a-z_]+(\{[a-z_]+="[^"\\\n]*"(,[a-z_]+="[^"\\\n]*")*\})? (-?[0-9.]+(e[+-][0-9]+)?|\+Inf|NaN))re");
    const std::regex help(R"re(# HELP ([a-z_]+) .+)re");
    const std::regex type(R"re(# TYPE ([a-z_]+) (counter|gauge|histogram))re");
    const std::string all = text();
    ASSERT_TRUE(all.ends_with('\n'));
    std::set<std::string> described;
    std::istringstream lines(all);
    for (std::string line; std::getline(lines, line);) {
        std::smatch parts;
        if (std::regex_match(line, parts, type)) {
            EXPECT_TRUE(described.insert(parts[1]).second) << "described twice: " << line;
            continue;
        }
        if (std::regex_match(line, help)) continue;
        EXPECT_TRUE(std::regex_match(line, sample)) << line;
        std::string name = line.substr(0, line.find_first_of("{ "));
        if (!described.contains(name))
            name = std::regex_replace(name, std::regex("_(bucket|sum|count)$"), "");
        EXPECT_TRUE(described.contains(name)) << line;
    }
}

TEST_F(MetricsText, AddsTheLoopsUp) {
    add(first->routes[0].by_class[2], 3);
    add(second->routes[0].by_class[2], 4);
    add(second->routes[0].by_class[5]);
    add(first->routes[1].by_class[4]);
    add(second->routes[kMaxRoutes - 1].by_class[4], 2);
    add(first->in_flight, 2);
    add(second->in_flight, -1);
    add(first->tokens_in, 5'000'000'000);
    add(second->tokens_out, 7);
    add(first->model_calls);
    add(second->model_failures);
    auto found = samples();
    EXPECT_EQ(found.at(R"(npcchat_requests_total{route="/chat",method="POST",status="2xx"})"), 7);
    EXPECT_EQ(found.at(R"(npcchat_requests_total{route="/chat",method="POST",status="5xx"})"), 1);
    EXPECT_EQ(found.at(R"(npcchat_requests_total{route="/npcs/{id}",method="GET",status="4xx"})"), 1);
    EXPECT_EQ(found.at(R"(npcchat_requests_total{route="other",method="other",status="4xx"})"), 2);
    EXPECT_FALSE(found.contains(R"(npcchat_requests_total{route="/chat",method="POST",status="4xx"})"));
    EXPECT_EQ(found.at("npcchat_requests_in_flight"), 1);
    EXPECT_EQ(found.at("npcchat_tokens_in_total"), 5'000'000'000);
    EXPECT_EQ(found.at("npcchat_tokens_out_total"), 7);
    EXPECT_EQ(found.at("npcchat_model_calls_total"), 1);
    EXPECT_EQ(found.at("npcchat_model_failures_total"), 1);
}

TEST_F(MetricsText, BucketsAreCumulative) {
    StoreMetrics of_first;
    StoreMetrics of_second;
    first->redis = &of_first;
    second->redis = &of_second;
    for (const double seconds : {0.0005, 0.001, 0.002, 0.3, 9.0, 31.0, 1000.0})
        of_first.duration.observe(seconds);
    of_second.duration.observe(0.3);
    auto found = samples();
    const std::string name = "npcchat_store_duration_seconds";
    const auto bucket = [&](const std::string& bound) {
        return found.at(name + R"(_bucket{store="redis",le=")" + bound + "\"}");
    };
    EXPECT_EQ(bucket("0.001"), 2); // a bound is within its bucket
    EXPECT_EQ(bucket("0.0025"), 3);
    EXPECT_EQ(bucket("0.25"), 3);
    EXPECT_EQ(bucket("0.5"), 5);
    EXPECT_EQ(bucket("10"), 6);
    EXPECT_EQ(bucket("30"), 6);
    EXPECT_EQ(bucket("+Inf"), 8);
    EXPECT_EQ(found.at(name + R"(_count{store="redis"})"), 8);
    EXPECT_NEAR(found.at(name + R"(_sum{store="redis"})"), 1040.6035, 1e-6);
    EXPECT_FALSE(found.contains(name + R"(_count{store="database"})"));
}

TEST_F(MetricsText, AStoreIsInFlightUntilItHasAnswered) {
    StoreMetrics database;
    second->database = &database;
    {
        const StoreMetrics::Use one(database);
        const StoreMetrics::Use other(database);
        EXPECT_EQ(samples().at(R"(npcchat_store_in_flight{store="database"})"), 2);
    }
    auto found = samples();
    EXPECT_EQ(found.at(R"(npcchat_store_in_flight{store="database"})"), 0);
    EXPECT_EQ(found.at(R"(npcchat_store_duration_seconds_count{store="database"})"), 2);
}

TEST(SearchMetricsText, SearchesAreApartByWhatAndAmongHowMany) {
    SearchMetrics words;
    SearchMetrics vectors;
    words.few.observe(0.00002);
    vectors.many.observe(0.004);
    vectors.many.observe(0.0049);
    PrometheusText out;
    write_search_metrics(out, words, vectors);
    const std::string text = out.take();
    const auto has = [&](const std::string& line) {
        return text.contains("\nnpcchat_search_duration_seconds" + line + "\n");
    };
    EXPECT_TRUE(has(R"(_bucket{by="words",chunks="few",le="0.0001"} 1)"));
    EXPECT_TRUE(has(R"(_count{by="words",chunks="many"} 0)"));
    EXPECT_TRUE(has(R"(_bucket{by="vectors",chunks="many",le="0.004"} 1)"));
    EXPECT_TRUE(has(R"(_bucket{by="vectors",chunks="many",le="0.005"} 2)"));
    EXPECT_TRUE(has(R"(_count{by="vectors",chunks="few"} 0)"));
}

TEST_F(MetricsText, CallsOfModelsAreAddedUp) {
    first->models.observe(ModelOperation::chat, "a\"b", {0.02, 0.005, 0.011, 100, 3});
    second->models.observe(ModelOperation::chat, "a\"b", {3.0, {}, {}, 5'000, 0});
    second->models.observe(ModelOperation::embeddings, "a\"b", {0.3, {}, {}, 7, 0});
    auto found = samples();
    const std::string chat = R"(gen_ai_operation_name="chat",gen_ai_request_model="a\"b")";
    EXPECT_EQ(found.at("gen_ai_client_operation_duration_seconds_count{" + chat + "}"), 2);
    EXPECT_EQ(found.at("gen_ai_client_operation_duration_seconds_bucket{" + chat + R"(,le="0.02"})"), 1);
    EXPECT_EQ(found.at("gen_ai_client_token_usage_sum{" + chat + R"(,gen_ai_token_type="input"})"), 5'100);
    EXPECT_EQ(found.at("gen_ai_client_token_usage_count{" + chat + R"(,gen_ai_token_type="output"})"), 1);
    EXPECT_EQ(found.at("gen_ai_server_time_to_first_token_seconds_count{" + chat + "}"), 1);
    EXPECT_EQ(found.at("gen_ai_server_time_per_output_token_seconds_bucket{" + chat + R"(,le="0.01"})"), 0);
    EXPECT_EQ(found.at("gen_ai_server_time_per_output_token_seconds_bucket{" + chat + R"(,le="0.025"})"), 1);
    EXPECT_EQ(found.at("gen_ai_client_operation_duration_seconds_count{"
                       R"(gen_ai_operation_name="embeddings",gen_ai_request_model="a\"b"})"),
              1);
}

TEST_F(MetricsText, HistogramsOfRoutesAreLabelled) {
    add(second->routes[1].by_class[2]);
    second->routes[1].duration.observe(0.02);
    auto found = samples();
    const std::string labels = R"({route="/npcs/{id}",method="GET")";
    EXPECT_EQ(found.at("npcchat_request_duration_seconds_bucket" + labels + R"(,le="0.01"})"), 0);
    EXPECT_EQ(found.at("npcchat_request_duration_seconds_bucket" + labels + R"(,le="0.025"})"), 1);
    EXPECT_EQ(found.at("npcchat_request_duration_seconds_bucket" + labels + R"(,le="+Inf"})"), 1);
    EXPECT_EQ(found.at("npcchat_request_duration_seconds_count" + labels + "}"), 1);
    EXPECT_FALSE(found.contains(R"(npcchat_request_duration_seconds_count{route="/chat",method="POST"})"));
}

TEST(Metrics, SumsOneCounter) {
    const auto one = std::make_unique<Metrics>();
    const auto two = std::make_unique<Metrics>();
    add(one->tokens_in, 4);
    add(two->tokens_in, 5);
    const std::array<const Metrics*, 2> loops = {one.get(), two.get()};
    const auto get = [](const Metrics& loop) -> const Counter& { return loop.tokens_in; };
    EXPECT_EQ(sum_over(loops, get), 9);
    EXPECT_EQ(sum_over({}, get), 0);
}

} // namespace
} // namespace npcchat
