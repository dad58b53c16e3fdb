#include "chat/npc_cache.hpp"

namespace npcchat {
namespace {

std::size_t size_of(const Npc& npc) {
    return sizeof(Npc) + npc.char_descr.size() + npc.world_descr.size() + 256;
}

} // namespace

NpcCache::Found NpcCache::look_up(const std::string& npc_id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(npc_id);
    if (found == entries_.end()) return {};
    Entry& entry = found->second;
    const auto now = Clock::now();
    if (now > entry.read_at + kStaleFor) {
        drop(found);
        return {};
    }
    by_age_.splice(by_age_.end(), by_age_, entry.age);
    const bool is_fresh = now < entry.refresh_at;
    if (!is_fresh) entry.refresh_at = now + std::chrono::seconds(1);
    return {entry.npc, is_fresh};
}

void NpcCache::drop(std::unordered_map<std::string, Entry>::iterator entry) {
    bytes_ -= size_of(*entry->second.npc);
    by_age_.erase(entry->second.age);
    entries_.erase(entry);
}

void NpcCache::keep(std::shared_ptr<const Npc> npc, std::uint64_t generation) {
    const std::lock_guard lock(mutex_);
    if (generation != generation_) return;
    if (const auto found = entries_.find(npc->npc_id); found != entries_.end()) drop(found);
    bytes_ += size_of(*npc);
    const auto now = Clock::now();
    const auto age = by_age_.insert(by_age_.end(), npc->npc_id);
    entries_.emplace(npc->npc_id, Entry{npc, now, now + kFreshFor, age});
    while (bytes_ > max_bytes_ && entries_.size() > 1)
        drop(entries_.find(by_age_.front()));
}

void NpcCache::forget(const std::string& npc_id) {
    const std::lock_guard lock(mutex_);
    ++generation_;
    if (const auto found = entries_.find(npc_id); found != entries_.end()) drop(found);
}

void NpcCache::documents_added(const Scope& scope) {
    const std::lock_guard lock(mutex_);
    ++generation_;
    if (!scope.npc_id.empty()) {
        const auto found = entries_.find(scope.npc_id);
        if (found != entries_.end() && found->second.npc->knowledge[0] == 0) drop(found);
        return;
    }
    for (auto next = entries_.begin(); next != entries_.end();) {
        const auto entry = next++;
        const Npc& npc = *entry->second.npc;
        if (npc.knowledge[1] == 0 && npc.owner_id == scope.owner_id && npc.world == scope.world) drop(entry);
    }
}

Task<Result<std::shared_ptr<const Npc>>> NpcCache::find(Catalog& catalog, const std::string& npc_id) {
    const Found cached = look_up(npc_id);
    if (cached.is_fresh) co_return cached.npc;
    std::uint64_t generation = 0;
    {
        const std::lock_guard lock(mutex_);
        generation = generation_;
    }
    auto read = co_await catalog.find_npc(npc_id);
    if (!read && cached.npc) co_return cached.npc;
    if (!read) co_return std::unexpected(std::move(read.error()));
    if (!*read) {
        forget(npc_id);
        co_return fail(404, "Unknown npc_id");
    }
    auto npc = std::make_shared<const Npc>(std::move(**read));
    keep(npc, generation);
    co_return npc;
}

} // namespace npcchat
