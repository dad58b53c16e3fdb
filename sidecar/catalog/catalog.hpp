// Users, their keys, and NPCs.
#pragma once

#include "base/clock.hpp"
#include "db/database.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace npcchat {

using UserId = std::int64_t;
inline constexpr UserId kAdminId = 0;
inline constexpr std::string_view kAdminName = "admin";

struct User {
    UserId id = 0;
    std::string name;
    std::string plan; // JSON, empty: the defaults
    Millis created = 0;
};

// What hung on a user that was deleted, and may be kept in caches.
struct DeletedUser {
    std::vector<std::string> key_digests;
    std::vector<std::string> npc_ids;
};

// What a user has used on a day, of one model.
struct ModelUsage {
    UserId user_id = 0;
    std::int64_t day = 0; // of UTC, since 1970-01-01
    std::string model;
    std::int64_t requests = 0;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
};

struct KeyOwner {
    User user;
    Millis expires_in = 0; // 0: the key does not expire
};

struct Login {
    UserId id = 0;
    std::string password_hash;
};

struct Npc {
    std::string npc_id;
    UserId owner_id = 0;
    std::string owner; // name
    std::string char_descr;
    std::string world_descr;
    bool has_scratchpad = false;
    Millis created = 0;
    Millis updated = 0;
    std::string world = {}; // of its owner, whose documents it knows too; empty: none
    // Ids of the scopes of its own and its world's documents; 0 where there are none.
    std::array<std::int64_t, 2> knowledge{};
};

// What of an NPC a PUT changes.
struct NpcChange {
    std::optional<std::string> char_descr;
    std::optional<std::string> world_descr;
    std::optional<bool> has_scratchpad;
    std::optional<std::string> world = std::nullopt;
};

// A place in a list of NPCs, by age.
struct NpcCursor {
    Millis created = -1;
    std::string npc_id;
};

// Every function answers 503 where the database does. Digests are SHA-256 in hexadecimal.
class Catalog {
  public:
    explicit Catalog(db::Database& database) : database_(database) {}

    // Nothing, where the name is taken.
    Task<Result<std::optional<UserId>>> create_user(std::string name, std::string password_hash,
                                                    std::string key_digest);
    // By the exact name, else without regard to case.
    Task<Result<std::optional<Login>>> find_login(std::string name);
    Task<Result<void>> set_password_hash(UserId id, std::string password_hash);

    // Counts an attempt to log in; gives back how many there were in the window, this one included, and in
    // how many milliseconds the window ends.
    struct Attempts {
        std::int64_t count = 0;
        Millis window_left = 0;
    };
    Task<Result<Attempts>> count_login_attempt(std::string name_key, Millis window);
    Task<Result<void>> forget_login_attempts(std::string name_key);

    // Makes a new key; all others of the user end after `grace` milliseconds, or now. Gives back the digests
    // of those whose end this changed.
    Task<Result<std::vector<std::string>>> replace_key(UserId id, std::string key_digest, Millis grace);
    Task<Result<std::optional<KeyOwner>>> find_key(std::string digest);

    Task<Result<std::optional<User>>> find_user(UserId id);
    Task<Result<std::optional<User>>> find_user_by_name(std::string name_digest);

    // By id, after `after`; without the admin.
    Task<Result<std::vector<User>>> list_users(UserId after, int limit);
    // Gives back the digests of the user's keys.
    Task<Result<std::vector<std::string>>> set_plan(UserId id, std::string plan);
    // With keys, NPCs and usage. Nothing, where there is no such user.
    Task<Result<std::optional<DeletedUser>>> delete_user(UserId id);

    // Adds to what is there.
    Task<Result<void>> add_usage(std::vector<ModelUsage> usage);
    // Newest day first.
    Task<Result<std::vector<ModelUsage>>> usage_of(UserId user_id, std::int64_t first_day,
                                                   std::int64_t last_day);
    Task<Result<std::int64_t>> tokens_used(UserId user_id, std::int64_t day);

    Task<Result<Npc>> create_npc(UserId owner, std::string char_descr, std::string world_descr,
                                 bool has_scratchpad, std::string world = "");
    Task<Result<std::optional<Npc>>> find_npc(std::string npc_id);
    // Oldest first, after the cursor; of all owners where `owner` is nothing.
    Task<Result<std::vector<Npc>>> list_npcs(std::optional<UserId> owner, NpcCursor after, int limit);
    // The owner's newest NPCs, newest first, without their texts.
    Task<Result<std::vector<Npc>>> list_newest_npcs(UserId owner, int limit);
    // Nothing, where there is no such NPC.
    Task<Result<std::optional<Npc>>> change_npc(std::string npc_id, NpcChange change);
    Task<Result<bool>> delete_npc(std::string npc_id);

    // For the import from the seed's system; each does nothing where it was done before, whatever became of
    // the user or NPC since. The name under which the user was added (another one where it is taken), or
    // nothing.
    Task<Result<std::optional<std::string>>> import_user(std::string name, std::string password_hash,
                                                         std::string key_digest);
    Task<Result<bool>> import_npc(Npc npc);

    Task<Result<void>> ping();

  private:
    Task<Result<bool>> was_imported(std::string source);

    db::Database& database_;
};

// Bound so: $1 name, $2 name_key, $3 name_digest, $4 password_hash; gives the id, or nothing where the name
// is taken.
extern const std::string_view kInsertUser;
// $1 digest, $2 name_key, $3 password_hash: only for the user that kInsertUser made in this batch.
extern const std::string_view kInsertFirstKey;
// $1 npc_id, $2 owner_id, $3 char_descr, $4 world_descr, $5 has_scratchpad, $6 created, $7 world.
extern const std::string_view kInsertNpc;

} // namespace npcchat
