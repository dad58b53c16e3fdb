// Which node of a Redis Cluster has which key (https://redis.io/docs/reference/cluster-spec).
#pragma once

#include "io/redis_reply.hpp"
#include "io/redis_url.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace npcchat {

inline constexpr std::uint16_t kRedisSlots = 16384;

// The slot of a key: of its hash tag, where it has one ("{…}", not empty).
std::uint16_t redis_slot(std::string_view key);

class RedisSlotTable {
  public:
    static constexpr std::uint16_t kNobody = 0xFFFF;

    RedisSlotTable() { owners_.fill(kNobody); }

    // From the reply to CLUSTER SLOTS of the node `asked`; nothing where it is none, or names no slot.
    static std::optional<RedisSlotTable> parse(const RedisReply& reply, const RedisHost& asked);

    // The master of a slot, as an index into masters(), or kNobody.
    std::uint16_t owner(std::uint16_t slot) const { return owners_[slot]; }
    const std::vector<RedisHost>& masters() const { return masters_; }
    const std::vector<RedisHost>& replicas() const { return replicas_; }

    // Gives the slot to a master, which is added at the end where it is new.
    void assign(std::uint16_t slot, const RedisHost& master);

    bool operator==(const RedisSlotTable&) const = default;

  private:
    std::uint16_t index_of(const RedisHost& master);

    std::array<std::uint16_t, kRedisSlots> owners_;
    std::vector<RedisHost> masters_;
    std::vector<RedisHost> replicas_;
};

} // namespace npcchat
