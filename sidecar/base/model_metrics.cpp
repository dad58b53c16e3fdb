#include "base/model_metrics.hpp"

#include "base/json.hpp"

#include <mutex>
#include <vector>

namespace npcchat {

std::string_view name_of(ModelOperation operation) {
    return operation == ModelOperation::chat ? "chat" : "embeddings";
}

ModelMetrics::Series& ModelMetrics::series_of(ModelOperation operation, const std::string& model) {
    const auto found = series_.find(Name(operation, model));
    if (found != series_.end()) return *found->second;
    const std::unique_lock lock(mutex_);
    return *series_.emplace(Name(operation, model), std::make_unique<Series>()).first->second;
}

void ModelMetrics::observe(ModelOperation operation, const std::string& model, const Call& call) {
    Series& series = series_of(operation, model);
    series.duration.observe(call.seconds);
    if (call.to_first_token) series.first_token.observe(*call.to_first_token);
    if (call.per_output_token) series.per_token.observe(*call.per_output_token);
    if (call.tokens_in > 0) series.tokens_in.observe(static_cast<double>(call.tokens_in));
    if (call.tokens_out > 0) series.tokens_out.observe(static_cast<double>(call.tokens_out));
}

void ModelMetrics::write(PrometheusText& out, std::span<const ModelMetrics* const> loops) {
    std::vector<std::shared_lock<std::shared_mutex>> locks;
    std::map<Name, std::vector<const Series*>> all;
    for (const ModelMetrics* loop : loops) {
        locks.emplace_back(loop->mutex_);
        for (const auto& [name, series] : loop->series_)
            all[name].push_back(series.get());
    }
    // One name after the other: a name's samples stand together.
    const auto write_all = [&](std::string_view metric, std::string_view more_labels, auto member) {
        for (const auto& [name, parts] : all) {
            // Prometheus escapes label values as JSON does strings.
            const std::string labels =
                fmt::format("gen_ai_operation_name=\"{}\",gen_ai_request_model={}{}", name_of(name.first),
                            json_string(name.second), more_labels);
            const auto histograms =
                parts | std::views::transform([member](const Series* one) { return &(one->*member); });
            out.histogram(metric, labels, histograms);
        }
    };
    out.describe("gen_ai_client_operation_duration_seconds", "histogram",
                 "Time of calls to models, retries and fallbacks included.");
    write_all("gen_ai_client_operation_duration_seconds", "", &Series::duration);
    out.describe("gen_ai_client_token_usage", "histogram", "Tokens of a call.");
    write_all("gen_ai_client_token_usage", ",gen_ai_token_type=\"input\"", &Series::tokens_in);
    write_all("gen_ai_client_token_usage", ",gen_ai_token_type=\"output\"", &Series::tokens_out);
    out.describe("gen_ai_server_time_to_first_token_seconds", "histogram",
                 "From the call to its first token, of streams.");
    write_all("gen_ai_server_time_to_first_token_seconds", "", &Series::first_token);
    out.describe("gen_ai_server_time_per_output_token_seconds", "histogram",
                 "Time for each token after the first one, of streams.");
    write_all("gen_ai_server_time_per_output_token_seconds", "", &Series::per_token);
}

} // namespace npcchat
