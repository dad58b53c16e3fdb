// What /metrics shows of the table's targets.
#pragma once

#include "base/prometheus.hpp"
#include "model/model_table.hpp"

namespace npcchat {

void write_target_metrics(PrometheusText& out, const ModelTable& table);

} // namespace npcchat
