// How keys lie in the shared memory of npcchat_key_cache: one cell a key, found through a table of buckets.
#pragma once

#include "digest.hpp"
#include "identity.hpp"
#include "ngx.hpp"

namespace npcchat {

/// All that the zone allocates after its start has this size, so that whatever one key gives up is of use to
/// another. nginx's slabs waste nothing on it: a zone of 128 MB holds a million keys.
inline constexpr std::size_t cell_size = 128;

/// Where a cell is, counted in cells from the zone's begin; 0: none.
using CellRef = std::uint32_t;

enum class Kind : u_char {
    asked,   ///< nothing is known yet, or any more
    denied,  ///< unknown to the sidecar
    revoked, ///< ended here, also against answers that are under way
    valid
};

/// What is known of a key. Times are whole seconds of nginx's monotonic clock.
struct KeyEntry {
    ngx_queue_t queue; ///< by use, among the valid or among all others
    Digest digest;
    union {
        std::int64_t id;      ///< valid
        std::uint64_t change; ///< else: number of its last revocation or forgetting
    };
    CellRef next; ///< in its bucket
    CellRef plan; ///< a PlanCell
    std::uint32_t fresh_until;
    std::uint32_t dies_at;     ///< the key itself; 0: no end is known
    std::uint32_t failed_at;   ///< the last lookup, where it failed; else 0
    std::uint32_t asked_until; ///< a lookup is under way, unless its worker died; 0: none is
    std::uint32_t asked_by;    ///< process id of the worker that asks
    std::uint32_t used_at;     ///< in sixteenths of a second
    std::uint16_t name_size;
    Kind kind;
    bool admin;
    union {
        char name[36];
        CellRef more; ///< a TextCell, for a name that is longer
    };

    bool is_valid() const noexcept { return kind == Kind::valid; }
    bool has_long_name() const noexcept { return name_size > sizeof(name); }
};

/// A part of a long text.
struct TextCell {
    CellRef next;
    char text[cell_size - sizeof(CellRef)];
};

/// A plan, which all keys that have the same share.
struct PlanCell {
    ngx_queue_t queue; ///< in its bucket
    std::uint32_t uses;
    CellRef more; ///< a TextCell, where `text` is too short
    std::uint16_t size;
    char text[cell_size - sizeof(ngx_queue_t) - 2 * sizeof(std::uint32_t) - sizeof(std::uint16_t)];
};

static_assert(sizeof(KeyEntry) == cell_size && sizeof(TextCell) == cell_size &&
              sizeof(PlanCell) == cell_size);

inline constexpr std::size_t plan_buckets = 256;

/// What the zone begins with.
struct KeyShared {
    CellRef* buckets;
    std::uint32_t bucket_shift; ///< 64 less the binary logarithm of the number of buckets
    std::uint64_t seed;         ///< odd, secret: nobody can aim at a bucket
    ngx_queue_t plans[plan_buckets];

    /// The least recently used last. Only among the others room is made for others.
    ngx_queue_t valid;
    ngx_queue_t others;
    ngx_uint_t valid_count;
    ngx_uint_t other_count;
    std::uint32_t valid_cells; ///< that valid keys take, with their texts
    std::uint32_t valid_most;  ///< the rest is for the others

    std::uint64_t changes; ///< revocations and forgettings so far
    /// Changes up to this one may have been dropped: what was looked up before them is not stored.
    std::uint64_t forgotten;
};

/// The table in a zone. All calls are made under the zone's lock.
class KeyTable {
  public:
    KeyTable(ngx_slab_pool_t* pool, KeyShared* shared) noexcept : pool_(pool), shared_(shared) {}

    /// Makes an empty table in a new zone; null where the zone is too small.
    static KeyShared* create(ngx_slab_pool_t* pool) noexcept;

    /// The digests are compared in constant time.
    KeyEntry* find(const Digest& digest) const noexcept;

    /// The entry of a digest, new where there is none, without text, lookup or failure, at the head of its
    /// queue. A full zone drops others first; only for a valid key it drops valid ones. Null: no room.
    KeyEntry* claim(const Digest& digest, Kind kind) noexcept;

    /// Gives an entry that was just claimed its texts. False: no room.
    bool set_text(KeyEntry& entry, std::string_view name, std::string_view plan) noexcept;

    /// Copies name and plan to `out`, which has room for `identity_text_max` bytes.
    void load(const KeyEntry& entry, char* out, Identity& identity) const noexcept;

    void drop(KeyEntry& entry) noexcept;

    /// Counts as used now, at the head of its queue. Within a sixteenth of a second the order is not kept, so
    /// that a key in use costs no write.
    void touch(KeyEntry& entry) noexcept;

    /// The least recently used, or null.
    KeyEntry* oldest(bool valid) const noexcept;

  private:
    template <typename Cell> Cell* at(CellRef ref) const noexcept;
    CellRef ref_of(const void* cell) const noexcept;
    CellRef* bucket_of(const Digest& digest) const noexcept;
    ngx_queue_t& queue_of(const KeyEntry& entry) const noexcept;

    void* allocate(bool valid, const KeyEntry* keep) noexcept;
    void release(void* cell, bool valid) noexcept;
    void enqueue(KeyEntry& entry) noexcept;
    void dequeue(KeyEntry& entry) noexcept;

    CellRef store_cells(std::string_view text, const KeyEntry& keep) noexcept;
    void load_cells(CellRef ref, char* out, std::size_t size) const noexcept;
    void free_cells(CellRef ref) noexcept;
    void free_text(KeyEntry& entry) noexcept;

    PlanCell* find_plan(ngx_queue_t& bucket, std::string_view plan) const noexcept;
    CellRef use_plan(std::string_view plan, const KeyEntry& keep) noexcept;

    ngx_slab_pool_t* pool_;
    KeyShared* shared_;
};

} // namespace npcchat
