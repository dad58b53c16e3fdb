// Moves idle chats from Redis to the catalog's database: at least once, message by message, and only what the
// database has may end in Redis. Several sidecars share the work.
#pragma once

#include "base/archive_metrics.hpp"
#include "session/key_scan.hpp"
#include "session/tiered_session_store.hpp"

namespace npcchat {

class Archiver {
  public:
    // `archive_after`, `idle_ttl`: ARCHIVE_AFTER and CHAT_TTL, in milliseconds.
    Archiver(Executor executor, Redis& redis, TieredSessionStore& store, Catalog& catalog,
             Millis archive_after, Millis idle_ttl);

    // Never ends.
    Task<void> run();

    const ArchiveMetrics& metrics() const { return metrics_; }

  private:
    enum class Look { done, later, failed };
    struct Verdict {
        Look look = Look::done;
        Millis next = 0; // where it is to be looked at later
    };

    Task<bool> work_through(int queue);
    Task<Verdict> look_at(const ChatKey& chat);
    Task<Verdict> archive(const ChatKey& chat, RedisSessionStore::State state);
    Task<Verdict> give_up_on(const ChatKey& chat, RedisSessionStore::State state);
    Task<void> scan_step();

    Executor executor_;
    Redis& redis_;
    TieredSessionStore& store_;
    Catalog& catalog_;
    const Millis archive_after_;
    const Millis idle_ttl_;
    const Millis claim_;
    const Millis try_again_;
    const Clock::duration poll_;
    ArchiveMetrics metrics_;
    std::int64_t lag_ = 0; // seconds, in the round that is under way
    Millis last_failure_ = 0;
    std::optional<KeyScan> scan_;
    Clock::time_point next_scan_{};
};

} // namespace npcchat
