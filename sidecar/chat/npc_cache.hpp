// NPCs in memory, shared by all loops: a chat turn asks no database for its character.
#pragma once

#include "catalog/catalog.hpp"
#include "knowledge/document_store.hpp"

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace npcchat {

// What another process changes is seen after kFreshFor; what this one changes, at once. While the catalog is
// down an NPC is served for kStaleFor since it was read.
class NpcCache {
  public:
    static constexpr auto kFreshFor = std::chrono::seconds(5);
    static constexpr auto kStaleFor = std::chrono::seconds(60);

    explicit NpcCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    // 404 where there is no such NPC.
    Task<Result<std::shared_ptr<const Npc>>> find(Catalog& catalog, const std::string& npc_id);
    void forget(const std::string& npc_id);
    // Forgets those that know of no documents in this scope, for now there are some. That the last has gone
    // is noticed after kFreshFor: a search that finds nothing does no harm.
    void documents_added(const Scope& scope);

  private:
    struct Entry {
        std::shared_ptr<const Npc> npc;
        Clock::time_point read_at;
        Clock::time_point refresh_at; // pushed ahead by who goes to refresh it: the others go on meanwhile
        std::list<std::string>::iterator age;
    };
    struct Found {
        std::shared_ptr<const Npc> npc;
        bool is_fresh = false;
    };

    Found look_up(const std::string& npc_id);
    void keep(std::shared_ptr<const Npc> npc, std::uint64_t generation);
    void drop(std::unordered_map<std::string, Entry>::iterator entry);

    const std::size_t max_bytes_;
    std::mutex mutex_;
    std::unordered_map<std::string, Entry> entries_;
    std::list<std::string> by_age_; // least recently used first
    std::size_t bytes_ = 0;
    std::uint64_t generation_ = 0; // grows with every forget(): what was read before it is not kept
};

} // namespace npcchat
