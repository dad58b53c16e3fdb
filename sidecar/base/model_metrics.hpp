// What calls to models took and used, under the names of OpenTelemetry's semantic conventions for generative
// AI, with the bucket bounds that they advise:
// https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
#pragma once

#include "base/histogram.hpp"
#include "base/prometheus.hpp"

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>

namespace npcchat {

enum class ModelOperation { chat, embeddings };

// As the conventions have it: "chat", "embeddings".
std::string_view name_of(ModelOperation operation);

// Of one loop, which is the only one to call observe(); write() is for any thread.
class ModelMetrics {
  public:
    struct Call {
        double seconds = 0;
        std::optional<double> to_first_token;   // seconds, of streams
        std::optional<double> per_output_token; // seconds, after the first one
        std::int64_t tokens_in = 0;
        std::int64_t tokens_out = 0;
    };
    // `model`: its name in the table, which bounds how many there are.
    void observe(ModelOperation operation, const std::string& model, const Call& call);

    static void write(PrometheusText& out, std::span<const ModelMetrics* const> loops);

    static constexpr std::array kDurationBounds = {0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                                   1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
    static constexpr std::array kTokenBounds = {1.0,       4.0,       16.0,       64.0,      256.0,
                                                1024.0,    4096.0,    16384.0,    65536.0,   262144.0,
                                                1048576.0, 4194304.0, 16777216.0, 67108864.0};
    static constexpr std::array kFirstTokenBounds = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                                     0.25,  0.5,   0.75, 1.0,  2.5,  5.0,  7.5,  10.0};
    static constexpr std::array kPerTokenBounds = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
                                                   0.3,  0.4,   0.5,  0.75,  1.0, 2.5};

  private:
    struct Series {
        Histogram<kDurationBounds> duration;
        Histogram<kFirstTokenBounds> first_token;
        Histogram<kPerTokenBounds> per_token;
        Histogram<kTokenBounds> tokens_in;
        Histogram<kTokenBounds> tokens_out;
    };
    using Name = std::pair<ModelOperation, std::string>;
    Series& series_of(ModelOperation operation, const std::string& model);

    mutable std::shared_mutex mutex_; // of the map's shape, which only the loop changes
    std::map<Name, std::unique_ptr<Series>> series_;
};

} // namespace npcchat
