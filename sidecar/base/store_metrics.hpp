// What one event loop asks of one store: commands of Redis, or batches of a database.
#pragma once

#include "base/histogram.hpp"

#include <chrono>

namespace npcchat {

struct StoreMetrics {
    Counter in_flight{0}; // waiting for a connection included
    LatencyHistogram duration;

    // One command or batch, from its making to its end.
    class Use {
      public:
        explicit Use(StoreMetrics& metrics) : metrics_(metrics) { add(metrics_.in_flight); }
        ~Use() {
            add(metrics_.in_flight, -1);
            metrics_.duration.observe(
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count());
        }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;

      private:
        StoreMetrics& metrics_;
        const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    };
};

} // namespace npcchat
