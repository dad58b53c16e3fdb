#include "transfer/export.hpp"

#include "stores.hpp"
#include "transfer/catalog_transfer.hpp"
#include "transfer/export_file.hpp"
#include "transfer/progress.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace npcchat {
namespace {

std::unexpected<std::string> store_failed(const Error& error) {
    return std::unexpected("reading the stores: " + error.detail + "; run the same command, and it goes on");
}

// By which chats are put in order: their users and names.
std::pair<UserId, std::string_view> place_of(const ChatKey& chat) {
    return {chat.user_id, chat.chat_id};
}

class Export {
  public:
    Export(Stores& stores, ExportFile file)
        : stores_(stores), catalog_(stores.database()), file_(std::move(file)) {}

    Task<Outcome> run() {
        const auto counts = co_await catalog_.counts();
        if (!counts) co_return store_failed(counts.error());
        auto outcome = co_await section<UserRecord>(
            "users", counts->users, [this](const UserRecord& last) { return catalog_.users(last.user.id); });
        if (outcome)
            outcome = co_await section<Npc>("NPCs", counts->npcs, [this](const Npc& last) {
                const NpcCursor after =
                    last.npc_id.empty() ? NpcCursor() : NpcCursor{last.created, last.npc_id};
                return stores_.catalog().list_npcs(std::nullopt, after, kNpcPage);
            });
        if (outcome) {
            outcome = co_await section<DocumentRecord>(
                "documents", counts->documents,
                [this](const DocumentRecord& last) { return catalog_.documents(last.document_id); });
        }
        if (outcome) {
            outcome = co_await section<ModelUsage>("usage", counts->usage, [this](const ModelUsage& last) {
                const bool first = last.model.empty() && last.day == 0 && last.user_id == 0;
                return catalog_.usage(first ? ModelUsage{-1, 0, "", 0, 0, 0} : last);
            });
        }
        if (outcome) {
            outcome = co_await section<SeedRecord>(
                "taken over from the seed", counts->seed,
                [this](const SeedRecord& last) { return catalog_.seed(last.source); });
        }
        if (outcome) outcome = co_await write_chats();
        if (outcome) outcome = file_.finish();
        co_return outcome;
    }

  private:
    static constexpr int kNpcPage = 100;

    // Writes what `list` gives, page by page, from where the file ends.
    template <class One, class List>
    Task<Outcome> section(std::string_view what, std::int64_t total, List list) {
        One last{};
        if (file_.last().index() > Record(One{}).index()) co_return Outcome();
        if (const auto* written = std::get_if<One>(&file_.last())) last = *written;
        std::int64_t done = file_.template count<One>();
        progress_.begin(what, total);
        for (;;) {
            auto page = co_await list(last);
            if (!page) co_return store_failed(page.error());
            if (page->empty()) break;
            for (One& one : *page) {
                last = one;
                auto written = file_.write(Record(std::move(one)));
                if (!written) co_return written;
                progress_.set(++done);
            }
        }
        progress_.end();
        co_return Outcome();
    }

    // In their order; those whose user was deleted are left out.
    Task<Result<std::vector<ChatKey>>> chats_to_write() {
        auto chats = co_await stores_.sessions().chats();
        if (!chats) co_return std::unexpected(std::move(chats.error()));
        std::set<UserId> users{kAdminId};
        for (UserId last = kAdminId;;) {
            const auto page = co_await stores_.catalog().list_users(last, 1000);
            if (!page) co_return std::unexpected(page.error());
            if (page->empty()) break;
            for (const User& user : *page)
                users.insert(user.id);
            last = page->back().id;
        }
        std::erase_if(*chats, [&](const ChatKey& chat) { return !users.contains(chat.user_id); });
        std::ranges::sort(*chats, {}, place_of);
        const auto twice = std::ranges::unique(*chats, {}, place_of);
        chats->erase(twice.begin(), twice.end());
        co_return chats;
    }

    Task<Outcome> write_chats() {
        const auto chats = co_await chats_to_write();
        if (!chats) co_return store_failed(chats.error());
        auto next = chats->begin();
        if (const auto* last = std::get_if<ChatRecord>(&file_.last()))
            next = std::ranges::upper_bound(*chats, place_of(last->chat), {}, place_of);
        progress_.begin("chats", static_cast<std::int64_t>(chats->size()));
        for (; next != chats->end(); ++next) {
            auto history = co_await stores_.sessions().history(*next);
            if (!history) co_return store_failed(history.error());
            if (!*history) continue; // ended meanwhile
            for (ChatPart& part : split_chat(std::move(**history))) {
                auto written = file_.write(Record(ChatRecord{*next, std::move(part)}));
                if (!written) co_return written;
            }
            progress_.set(next - chats->begin() + 1);
        }
        progress_.end();
        co_return Outcome();
    }

    Stores& stores_;
    CatalogTransfer catalog_;
    ExportFile file_;
    Progress progress_;
};

Task<Outcome> export_into(Stores& stores, std::string path) {
    const auto store_id = co_await CatalogTransfer(stores.database()).store_id();
    if (!store_id) co_return store_failed(store_id.error());
    const auto file = export_path(path);
    auto opened = ExportFile::open(file, *store_id);
    if (!opened) co_return std::unexpected(std::move(opened.error()));
    if (opened->resumed())
        fmt::print(stderr, "going on with {}.part, from line {}; delete it to begin anew\n", file.string(),
                   opened->lines() + 1);
    Export work(stores, std::move(*opened));
    auto outcome = co_await work.run();
    if (outcome) fmt::print("exported into {}\n", file.string());
    co_return outcome;
}

} // namespace

Outcome export_stores(const Config& config, const std::string& path) {
    return run_on_stores(config, [path](Executor, Stores& stores) { return export_into(stores, path); });
}

} // namespace npcchat
