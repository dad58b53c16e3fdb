// What is kept in memory of scopes: read when it is first asked for, and on from there when something was
// added. Shared by all loops.
#pragma once

#include "io/task.hpp"
#include "knowledge/document_store.hpp"

#include <memory>
#include <mutex>
#include <unordered_map>

namespace npcchat {

struct ScopeCacheOptions {
    // What all scopes together may take in memory; those that were not used for longest are given up.
    std::size_t max_bytes = std::size_t{1} << 30;
    // Whether changed() says what was added; if not, the store is looked at once a second.
    bool is_told = false;
};

// `Content` has bytes() and remove(); `Cursor` is how far it was read.
template <class Content, class Cursor> class ScopeCache {
  public:
    struct Entry {
        std::shared_ptr<Content> content;
        Cursor read_to; // whose who reads

      private:
        friend class ScopeCache;
        Clock::time_point checked{};
        Clock::time_point used{};
        bool reading = false;
        bool awaited = false;
        bool changed = true;
    };

    explicit ScopeCache(ScopeCacheOptions options) : options_(options) {}

    // The scope's, made with `make()` where there is none. With another `generation` than before all that
    // there was is given up.
    template <class Make>
    std::shared_ptr<Entry> entry_of(std::int64_t generation, std::int64_t scope_id, Make make) {
        const std::lock_guard lock(mutex_);
        if (generation != generation_) entries_.clear();
        generation_ = generation;
        auto& entry = entries_[scope_id];
        if (!entry) {
            entry = std::make_shared<Entry>();
            entry->content = make();
        }
        entry->used = Clock::now();
        return entry;
    }

    // Whether there may be something to read that nobody reads: who is told so reads it, and finishes.
    bool claim_reading(Entry& entry) {
        const std::lock_guard lock(mutex_);
        const bool is_due = !options_.is_told && Clock::now() > entry.checked + kLookEvery;
        if (entry.reading || !(entry.changed || is_due)) return false;
        entry.reading = entry.awaited = true;
        entry.changed = false; // what is said from now on may not be in what is read
        return true;
    }
    // Who reads goes on in the background: nobody waits for it.
    void read_on(Entry& entry) {
        const std::lock_guard lock(mutex_);
        entry.awaited = false;
    }
    bool is_awaited(const Entry& entry) const {
        const std::lock_guard lock(mutex_);
        return entry.awaited;
    }
    // `all`: nothing failed.
    void finish_reading(Entry& entry, bool all) {
        const std::lock_guard lock(mutex_);
        entry.checked = Clock::now();
        entry.reading = entry.awaited = false;
        if (!all) entry.changed = true;
    }

    void make_room() {
        const std::lock_guard lock(mutex_);
        for (;;) {
            std::size_t bytes = 0;
            auto oldest = entries_.end();
            for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
                bytes += entry->second->content->bytes();
                const bool older = oldest == entries_.end() || entry->second->used < oldest->second->used;
                if (older && !entry->second->reading) oldest = entry;
            }
            if (bytes <= options_.max_bytes || entries_.size() < 2 || oldest == entries_.end()) return;
            entries_.erase(oldest);
        }
    }

    // Chunks that are gone: they are found no more.
    void remove(ScopeIds scopes, const std::vector<std::int64_t>& chunk_ids) {
        const std::lock_guard lock(mutex_);
        for (const std::int64_t scope_id : scopes) {
            const auto found = entries_.find(scope_id);
            if (found == entries_.end()) continue;
            const bool is_worn = found->second->content->remove(chunk_ids);
            if (is_worn && !found->second->reading) entries_.erase(found);
        }
    }

    void changed(std::int64_t scope_id) {
        const std::lock_guard lock(mutex_);
        if (const auto found = entries_.find(scope_id); found != entries_.end())
            found->second->changed = true;
    }
    void all_changed() {
        const std::lock_guard lock(mutex_);
        for (const auto& [scope_id, entry] : entries_)
            entry->changed = true;
    }

  private:
    static constexpr auto kLookEvery = std::chrono::seconds(1);

    const ScopeCacheOptions options_;
    mutable std::mutex mutex_;
    std::int64_t generation_ = 0;
    std::unordered_map<std::int64_t, std::shared_ptr<Entry>> entries_; // by scope
};

} // namespace npcchat
