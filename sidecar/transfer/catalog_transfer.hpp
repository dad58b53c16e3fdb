// The catalog's rows as they are moved between stores: whole, in order, and each taken over once.
#pragma once

#include "transfer/record.hpp"

namespace npcchat {

struct CatalogCounts {
    std::int64_t users = 0, npcs = 0, documents = 0, usage = 0, seed = 0;
};

// Every function answers 503 where the database does. Lists come in the order of what names a row, after
// `after`, some at a time, and empty at the end.
class CatalogTransfer {
  public:
    explicit CatalogTransfer(db::Database& database) : database_(database) {}

    // What no other store has: it was made in that very millisecond.
    Task<Result<std::string>> store_id();
    Task<Result<CatalogCounts>> counts();

    Task<Result<std::vector<UserRecord>>> users(UserId after);
    Task<Result<std::vector<DocumentRecord>>> documents(std::string after);
    Task<Result<std::vector<ModelUsage>>> usage(ModelUsage after);
    Task<Result<std::vector<SeedRecord>>> seed(std::string after);

    enum class Found { added, same, other };
    struct AddedUser {
        Found found = Found::added;
        UserId id = 0; // where it is not another one
    };
    // A user of this name that was made at the same time is the same one, whatever became of it since.
    Task<Result<AddedUser>> add_user(UserRecord record);
    // Its owner is this store's. Another one: of another owner.
    Task<Result<Found>> add_npc(Npc npc);
    // False where there is such a row, or no such user.
    Task<Result<bool>> add_usage(ModelUsage usage);
    Task<Result<bool>> add_seed(SeedRecord record);

    // Whether a document of this id can be found. One that is not whole is deleted: a sweep takes it away.
    enum class DocumentState { none, unfinished, found };
    Task<Result<DocumentState>> document_state(std::string document_id);
    Task<Result<bool>> has_npc(std::string npc_id);

  private:
    Task<Result<std::optional<AddedUser>>> find_user(const UserRecord& record);
    db::Database& database_;
};

} // namespace npcchat
