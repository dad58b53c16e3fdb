#include "transfer/import.hpp"

#include "knowledge/document_store.hpp"
#include "stores.hpp"
#include "transfer/catalog_transfer.hpp"
#include "transfer/export_file.hpp"
#include "transfer/progress.hpp"

#include <fmt/format.h>
#include <fstream>
#include <set>
#include <unordered_map>

namespace npcchat {
namespace {

using Found = CatalogTransfer::Found;

constexpr int kMaxSweeps = 10'000; // of what an interrupted import has left of a document

struct Counts {
    std::int64_t users = 0, npcs = 0, documents = 0, chats = 0, messages = 0;
    std::int64_t unchanged = 0; // of users, NPCs, documents and parts of chats
    std::int64_t conflicts = 0;
    std::int64_t left_out = 0; // what hung on them
};

class Import {
  public:
    explicit Import(Stores& stores)
        : stores_(stores), catalog_(stores.database()), chats_(stores.sessions()) {}

    Task<Outcome> run(const std::string& file) {
        std::ifstream in(file, std::ios::binary);
        if (!in) co_return std::unexpected(file + ": cannot be read");
        auto whole = check_end(in, file);
        if (!whole) co_return whole;
        std::string line;
        std::int64_t bytes = 0;
        while (std::getline(in, line)) {
            ++line_;
            auto record = parse_record(line);
            if (!record) co_return broken(record.error());
            auto outcome = co_await take(std::move(*record));
            if (!outcome) co_return outcome;
            bytes += static_cast<std::int64_t>(line.size()) + 1;
            progress_.set(bytes);
        }
        progress_.end();
        co_return summary();
    }

  private:
    std::unexpected<std::string> broken(const std::string& why) const {
        return std::unexpected(fmt::format("line {}: {}", line_, why));
    }

    // Nothing is taken over from a file that is not whole.
    Outcome check_end(std::ifstream& in, const std::string& file) {
        std::string line, last;
        std::int64_t bytes = 0;
        while (std::getline(in, line)) {
            ++line_;
            bytes += static_cast<std::int64_t>(line.size()) + 1;
            if (line_ > 1) {
                last = std::move(line);
                continue;
            }
            const auto header = parse_record(line);
            if (!header) return broken(header.error());
            if (!std::holds_alternative<HeaderRecord>(*header))
                return broken("is no export: its first line must be of type export");
        }
        const auto end = parse_record(last);
        const auto* lines = end ? std::get_if<EndRecord>(&*end) : nullptr;
        if (!lines) return std::unexpected(file + " is not whole: its last line must be of type end");
        if (lines->lines != line_)
            return broken(fmt::format("lines: says {}, but there are {}", lines->lines, line_));
        line_ = 0;
        in.clear();
        in.seekg(0);
        progress_.begin("bytes of " + file, bytes);
        return {};
    }

    Outcome summary() const {
        fmt::print(
            "imported: {} users, {} NPCs, {} documents, {} chats with {} messages; {} were there already\n",
            counts_.users, counts_.npcs, counts_.documents, counts_.chats, counts_.messages,
            counts_.unchanged);
        if (counts_.conflicts == 0 && counts_.left_out == 0) return {};
        return std::unexpected(fmt::format("{} conflicts, named above; with them {} lines were left out",
                                           counts_.conflicts, counts_.left_out));
    }

    void conflict(const std::string& what) {
        ++counts_.conflicts;
        progress_.note(fmt::format("line {}: conflict: {}", line_, what));
    }

    Task<Outcome> take(Record record) {
        Result<void> done;
        if (auto* user = std::get_if<UserRecord>(&record))
            done = co_await take_user(std::move(*user));
        else if (auto* npc = std::get_if<Npc>(&record))
            done = co_await take_npc(std::move(*npc));
        else if (auto* document = std::get_if<DocumentRecord>(&record))
            done = co_await take_document(std::move(*document));
        else if (auto* usage = std::get_if<ModelUsage>(&record))
            done = co_await take_usage(std::move(*usage));
        else if (auto* chat = std::get_if<ChatRecord>(&record))
            done = co_await take_chat(std::move(*chat));
        else if (auto* seed = std::get_if<SeedRecord>(&record))
            done = co_await take_seed(std::move(*seed));
        if (done) co_return Outcome();
        if (done.error().status == kBadLine) co_return broken(done.error().detail);
        co_return broken(done.error().detail + "; run the same command again, and it goes on");
    }

    Task<Result<void>> take_user(UserRecord record) {
        const UserId theirs = record.user.id;
        const std::string name = record.user.name;
        const auto added = co_await catalog_.add_user(std::move(record));
        if (!added) co_return std::unexpected(added.error());
        if (added->found == Found::other) {
            conflict(fmt::format("the name '{}' is taken by another user: rename one of them (in this line: "
                                 "name, and name_key in lower case), or delete the other",
                                 name));
            users_[theirs] = std::nullopt;
            co_return Result<void>();
        }
        users_[theirs] = added->id;
        ++(added->found == Found::added ? counts_.users : counts_.unchanged);
        co_return Result<void>();
    }

    // Puts our own id in the place of the file's. False where the user is left out.
    Result<bool> translate(UserId& id) {
        const auto found = users_.find(id);
        if (found == users_.end())
            return fail(kBadLine, fmt::format("user {} has no line before this one", id));
        if (!found->second) {
            ++counts_.left_out;
            return false;
        }
        id = *found->second;
        return true;
    }

    Task<Result<void>> take_npc(Npc npc) {
        const auto known = translate(npc.owner_id);
        if (!known) co_return std::unexpected(known.error());
        const std::string npc_id = npc.npc_id;
        if (!*known) {
            refused_npcs_.insert(npc_id);
            co_return Result<void>();
        }
        const auto added = co_await catalog_.add_npc(std::move(npc));
        if (!added) co_return std::unexpected(added.error());
        if (*added == Found::other) {
            conflict(fmt::format("the NPC {} belongs to another user here", npc_id));
            refused_npcs_.insert(npc_id);
        } else {
            ++(*added == Found::added ? counts_.npcs : counts_.unchanged);
        }
        co_return Result<void>();
    }

    Task<Result<void>> take_usage(ModelUsage usage) {
        const auto known = translate(usage.user_id);
        if (!known) co_return std::unexpected(known.error());
        if (!*known) co_return Result<void>();
        const auto added = co_await catalog_.add_usage(std::move(usage));
        if (!added) co_return std::unexpected(added.error());
        co_return Result<void>();
    }

    Task<Result<void>> take_seed(SeedRecord record) {
        const auto added = co_await catalog_.add_seed(std::move(record));
        if (!added) co_return std::unexpected(added.error());
        co_return Result<void>();
    }

    // What an interrupted import has left of the document goes first.
    Task<Result<bool>> is_there(const std::string& document_id) {
        for (int i = 0; i < kMaxSweeps; ++i) {
            const auto state = co_await catalog_.document_state(document_id);
            if (!state) co_return std::unexpected(state.error());
            if (*state != CatalogTransfer::DocumentState::unfinished)
                co_return *state == CatalogTransfer::DocumentState::found;
            const auto swept = co_await stores_.documents().sweep();
            if (!swept) co_return std::unexpected(swept.error());
        }
        co_return fail(503, "what was left of the document does not go away");
    }

    Task<Result<void>> take_document(DocumentRecord record) {
        const auto known = translate(record.owner_id);
        if (!known) co_return std::unexpected(known.error());
        if (!*known) co_return Result<void>();
        if (refused_npcs_.contains(record.npc_id)) {
            ++counts_.left_out;
            co_return Result<void>();
        }
        const auto there = co_await is_there(record.document_id);
        if (!there) co_return std::unexpected(there.error());
        if (*there) {
            ++counts_.unchanged;
            co_return Result<void>();
        }
        Scope scope = Scope::shared();
        if (!record.npc_id.empty())
            scope = Scope{"npc/" + record.npc_id, record.owner_id, record.npc_id, ""};
        else if (!record.world.empty())
            scope = Scope::of_world(record.owner_id, record.world);
        std::vector<NewDocument> documents;
        documents.push_back(prepare_document(std::move(record.title), std::move(record.source),
                                             std::move(record.metadata), std::move(record.text)));
        documents.back().document_id = record.document_id;
        documents.back().created = record.created;
        const auto added = co_await stores_.documents().add(std::move(scope), std::move(documents));
        if (!added) co_return std::unexpected(added.error());
        if (!*added) co_return fail(kBadLine, "whom the document belongs to is not there");
        ++(added->value().front().document_id == record.document_id ? counts_.documents : counts_.unchanged);
        co_return Result<void>();
    }

    Task<Result<void>> take_chat(ChatRecord record) {
        const auto known = translate(record.chat.user_id);
        if (!known) co_return std::unexpected(known.error());
        if (!*known) co_return Result<void>();
        const std::string chat_id = record.chat.chat_id;
        const bool begins = record.part.first == 1;
        const auto messages = static_cast<std::int64_t>(record.part.history.messages.size());
        const auto added = co_await chats_.add(std::move(record.chat), std::move(record.part));
        if (!added) co_return std::unexpected(added.error());
        switch (*added) {
        case ChatCopy::Found::added:
            counts_.chats += begins;
            counts_.messages += messages;
            break;
        case ChatCopy::Found::same:
            ++counts_.unchanged;
            break;
        case ChatCopy::Found::other:
            if (begins)
                conflict(fmt::format("the user has another chat '{}' here", chat_id));
            else
                ++counts_.left_out;
            break;
        case ChatCopy::Found::incomplete:
            co_return fail(kBadLine, "first: the messages before are missing");
        }
        co_return Result<void>();
    }

    static constexpr int kBadLine = 422;

    Stores& stores_;
    CatalogTransfer catalog_;
    ChatCopy chats_;
    Progress progress_;
    Counts counts_;
    std::int64_t line_ = 0;
    // The file's ids; nothing: left out.
    std::unordered_map<UserId, std::optional<UserId>> users_{{kAdminId, kAdminId}};
    std::set<std::string> refused_npcs_;
};

Task<Outcome> import_from(Stores& stores, std::string path) {
    Import work(stores);
    co_return co_await work.run(export_path(path).string());
}

} // namespace

Outcome import_stores(const Config& config, const std::string& path) {
    return run_on_stores(config, [path](Executor, Stores& stores) { return import_from(stores, path); });
}

} // namespace npcchat
