// What the archiver of idle chats counts.
#pragma once

#include "base/prometheus.hpp"

namespace npcchat {

struct ArchiveMetrics {
    Counter chats{0};    // that were archived
    Counter messages{0}; // that went to the database with them
    Counter failures{0}; // chats that could not be archived and are tried again
    Counter found{0};    // chats that no hint named and the slow scan found
    Counter lag{0};      // seconds that the oldest chat has been due for; a gauge

    void write(PrometheusText& out) const;
};

} // namespace npcchat
