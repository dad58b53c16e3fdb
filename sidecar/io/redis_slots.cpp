#include "io/redis_slots.hpp"

#include <algorithm>

namespace npcchat {
namespace {

// CRC-16/XMODEM: polynomial 0x1021, from 0, not reflected.
constexpr std::array<std::uint16_t, 256> make_crc_table() {
    std::array<std::uint16_t, 256> table{};
    for (unsigned byte = 0; byte < table.size(); ++byte) {
        unsigned crc = byte << 8;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
        table[byte] = static_cast<std::uint16_t>(crc);
    }
    return table;
}
constexpr auto kCrcTable = make_crc_table();

std::string_view hashed_part(std::string_view key) {
    const auto open = key.find('{');
    if (open == key.npos) return key;
    const auto close = key.find('}', open + 1);
    if (close == key.npos || close == open + 1) return key;
    return key.substr(open + 1, close - open - 1);
}

// [address or nil, port, id, …]
std::optional<RedisHost> host_of(const RedisReply& node, const RedisHost& asked) {
    if (node.size() < 2) return std::nullopt;
    const std::int64_t port = node[1].integer();
    if (port < 1 || port > 65535) return std::nullopt;
    // A node that does not know its own address leaves it out.
    const std::string_view name = node[0].text();
    return RedisHost{name.empty() ? asked.name : std::string(name), std::to_string(port)};
}

} // namespace

std::uint16_t redis_slot(std::string_view key) {
    unsigned crc = 0;
    for (const char c : hashed_part(key))
        crc = (crc << 8 & 0xFFFF) ^ kCrcTable[(crc >> 8 ^ static_cast<unsigned char>(c)) & 0xFF];
    return static_cast<std::uint16_t>(crc % kRedisSlots);
}

std::optional<RedisSlotTable> RedisSlotTable::parse(const RedisReply& reply, const RedisHost& asked) {
    RedisSlotTable table;
    for (std::size_t i = 0; i < reply.size(); ++i) {
        const RedisReply range = reply[i]; // [first, last, master, replica…]
        if (range.size() < 3) return std::nullopt;
        const std::int64_t first = range[0].integer();
        const std::int64_t last = range[1].integer();
        const auto master = host_of(range[2], asked);
        if (first < 0 || last < first || last >= kRedisSlots || !master) return std::nullopt;
        const std::uint16_t index = table.index_of(*master);
        std::fill(table.owners_.begin() + first, table.owners_.begin() + last + 1, index);
        for (std::size_t j = 3; j < range.size(); ++j) {
            auto replica = host_of(range[j], asked);
            if (replica && std::ranges::find(table.replicas_, *replica) == table.replicas_.end())
                table.replicas_.push_back(std::move(*replica));
        }
    }
    if (table.masters_.empty()) return std::nullopt;
    return table;
}

std::uint16_t RedisSlotTable::index_of(const RedisHost& master) {
    const auto found = std::ranges::find(masters_, master);
    if (found != masters_.end()) return static_cast<std::uint16_t>(found - masters_.begin());
    masters_.push_back(master);
    return static_cast<std::uint16_t>(masters_.size() - 1);
}

void RedisSlotTable::assign(std::uint16_t slot, const RedisHost& master) {
    owners_[slot] = index_of(master);
}

} // namespace npcchat
