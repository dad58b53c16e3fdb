// What /metrics shows of the table's targets.
#pragma once

#include "model/model_table.hpp"

namespace npcchat {

// Prometheus text (exposition format 0.0.4), to follow that of base/metrics.hpp.
std::string target_metrics_text(const ModelTable& table);

} // namespace npcchat
