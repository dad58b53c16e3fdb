#include "base/archive_metrics.hpp"

namespace npcchat {

void ArchiveMetrics::write(PrometheusText& out) const {
    const auto single = [&out](std::string_view name, std::string_view type, std::string_view help,
                               const Counter& value) {
        out.describe(name, type, help);
        out.sample(name, "", value.load(std::memory_order_relaxed));
    };
    single("npcchat_archived_chats_total", "counter", "Chats moved from Redis to the database.", chats);
    single("npcchat_archived_messages_total", "counter", "Messages written to the database with them.",
           messages);
    single("npcchat_archive_failures_total", "counter",
           "Chats that could not be archived, and are tried again.", failures);
    single("npcchat_archive_found_total", "counter", "Chats that only the slow scan found.", found);
    single("npcchat_archive_lag_seconds", "gauge", "How long the oldest chat has been due for the archive.",
           lag);
}

} // namespace npcchat
