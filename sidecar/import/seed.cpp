#include "import/seed.hpp"

#include "account/names.hpp"
#include "base/ids.hpp"
#include "db/postgres_connection.hpp"
#include "import/seed_text.hpp"
#include "session/key_scan.hpp"
#include "stores.hpp"
#include "transfer/progress.hpp"

#include <boost/asio/redirect_error.hpp>
#include <fmt/format.h>
#include <set>

namespace npcchat {
namespace {

constexpr std::string_view kHistoryPrefix = "chat_history:";
constexpr std::string_view kMemoryPrefix = "long_memory:";

// For clients an error hides its cause; the operator has the log above it.
std::unexpected<std::string> store_failed(const Error& error) {
    return std::unexpected("writing to our stores: " + error.detail);
}

struct Counts {
    std::size_t users = 0, npcs = 0, chats = 0, messages = 0;
    std::size_t unchanged = 0;
    std::size_t without_user = 0, bad_chat_ids = 0, bad_messages = 0;

    void print() const {
        fmt::print("imported: {} users, {} NPCs, {} chats with {} messages; {} were there already\n", users,
                   npcs, chats, messages, unchanged);
        if (without_user > 0) fmt::print("left out: {} chats whose user is not known\n", without_user);
        if (bad_chat_ids > 0)
            fmt::print("left out: {} chats whose id has other than A-Za-z0-9_-\n", bad_chat_ids);
        if (bad_messages > 0) fmt::print("left out: {} entries that are no messages\n", bad_messages);
    }
};

class SeedImport {
  public:
    SeedImport(Executor executor, const Config& config, Stores& stores)
        : executor_(executor), config_(config), stores_(stores) {}

    Task<Outcome> run(std::string seed_database, std::optional<RedisUrl> seed_redis) {
        auto outcome = co_await import_catalog(std::move(seed_database));
        if (outcome && seed_redis) outcome = co_await import_chats(std::move(*seed_redis));
        progress_.end();
        if (outcome && !seed_redis)
            fmt::print("no --redis and no REDIS_URL: chats and memories were left out\n");
        if (outcome) counts_.print();
        co_return outcome;
    }

  private:
    Task<Outcome> import_catalog(std::string url) {
        // Nothing else runs: blocking is no harm here.
        const auto seed = db::open_postgres(url);
        if (!seed) co_return std::unexpected("SEED_DATABASE_URL: " + seed.error());
        const db::PgResult users(
            PQexec(seed->get(), "SELECT username, coalesce(hashed_password, ''), coalesce(api_key, '') "
                                "FROM public.users ORDER BY username"));
        const db::PgResult npcs(
            PQexec(seed->get(),
                   "SELECT id, char_descr, world_descr, has_scratchpad::int FROM public.npcs ORDER BY id"));
        for (const auto* result : {users.get(), npcs.get()}) {
            if (PQresultStatus(result) != PGRES_TUPLES_OK) {
                co_return std::unexpected(fmt::format("SEED_DATABASE_URL: {}", PQresultErrorMessage(result)));
            }
        }
        auto outcome = co_await import_users(users.get());
        if (outcome) outcome = co_await import_npcs(npcs.get());
        co_return outcome;
    }

    Task<Outcome> import_users(const PGresult* rows) {
        progress_.begin("users", PQntuples(rows));
        for (int row = 0; row < PQntuples(rows); ++row) {
            const std::string name = PQgetvalue(rows, row, 0);
            const std::string key = PQgetvalue(rows, row, 2);
            // Without a key of its own: one that nobody has.
            const std::string digest = sha256_hex(key.empty() ? new_api_key() : key);
            const auto added = co_await stores_.catalog().import_user(name, PQgetvalue(rows, row, 1), digest);
            if (!added) co_return store_failed(added.error());
            if (*added && !check_user_name(name)) {
                fmt::print("the name '{}' would be refused today; it keeps its key and logs in\n", name);
            }
            if (*added && **added != name)
                fmt::print("the name '{}' is taken, imported as '{}'\n", name, **added);
            ++(*added ? counts_.users : counts_.unchanged);
            progress_.set(row + 1);
        }
        co_return Outcome();
    }

    Task<Outcome> import_npcs(const PGresult* rows) {
        progress_.begin("NPCs", PQntuples(rows));
        for (int row = 0; row < PQntuples(rows); ++row) {
            Npc npc;
            npc.npc_id = PQgetvalue(rows, row, 0);
            npc.owner_id = kAdminId;
            npc.char_descr = PQgetvalue(rows, row, 1);
            npc.world_descr = PQgetvalue(rows, row, 2);
            npc.has_scratchpad = std::string_view(PQgetvalue(rows, row, 3)) == "1";
            npc.created = npc.updated = now_ms();
            const auto added = co_await stores_.catalog().import_npc(std::move(npc));
            if (!added) co_return store_failed(added.error());
            ++(*added ? counts_.npcs : counts_.unchanged);
            progress_.set(row + 1);
        }
        co_return Outcome();
    }

    // Waits until the connection stands.
    Task<Outcome> connect(Redis& redis) {
        Timer timer(executor_);
        for (const auto give_up = Clock::now() + config_.store_timeout * 2; Clock::now() < give_up;) {
            const auto pong = co_await redis.ping();
            if (pong) co_return Outcome();
            timer.expires_after(std::chrono::milliseconds(20));
            co_await timer.async_wait(use_task);
        }
        co_return std::unexpected("the seed's Redis cannot be reached");
    }

    Task<Outcome> import_chats(RedisUrl url) {
        redis_ = Redis::open(executor_, std::move(url), config_.store_timeout);
        Redis& redis = *redis_;
        auto outcome = co_await connect(redis);
        if (outcome) outcome = co_await collect_names(redis, kHistoryPrefix);
        if (outcome) outcome = co_await collect_names(redis, kMemoryPrefix);
        if (!outcome) co_return outcome;
        progress_.begin("chats", static_cast<std::int64_t>(names_.size()));
        std::int64_t done = 0;
        for (const auto& [key, chat_id] : names_) {
            outcome = co_await import_chat(redis, key, chat_id);
            if (!outcome) co_return outcome;
            progress_.set(++done);
        }
        co_return Outcome();
    }

    Task<Outcome> collect_names(Redis& redis, std::string_view prefix) {
        KeyScan scan(redis, std::string(prefix) + "*", 500);
        while (!scan.done()) {
            const auto keys = co_await scan.next();
            if (!keys) co_return std::unexpected("the seed's Redis did not answer SCAN");
            for (const std::string& key : *keys) {
                auto name = parse_seed_chat_name(key, prefix);
                if (name)
                    names_.emplace(std::move(name->key), std::move(name->chat_id));
                else
                    ++counts_.without_user;
            }
        }
        co_return Outcome();
    }

    Task<Result<std::optional<UserId>>> owner_of(const std::string& key) {
        const std::string digest = sha256_hex(key);
        if (equal_constant_time(digest, config_.admin_key_digest)) co_return std::optional(kAdminId);
        auto owner = co_await stores_.catalog().find_key(digest);
        co_return map(std::move(owner), [](const std::optional<KeyOwner>& found) {
            return found ? std::optional(found->user.id) : std::nullopt;
        });
    }

    Task<Outcome> import_chat(Redis& redis, const std::string& key, const std::string& chat_id) {
        if (!is_chat_id(chat_id)) {
            ++counts_.bad_chat_ids;
            co_return Outcome();
        }
        const auto owner = co_await owner_of(key);
        if (!owner) co_return store_failed(owner.error());
        if (!*owner) {
            ++counts_.without_user;
            co_return Outcome();
        }
        const std::string list = fmt::format("{}{}:{}", kHistoryPrefix, key, chat_id);
        const std::string summary = fmt::format("{}{}:{}", kMemoryPrefix, key, chat_id);
        const auto entries = co_await redis.command({"LRANGE", list, "0", "-1"});
        const auto memory = co_await redis.command({"GET", summary});
        if (!entries || !memory) co_return std::unexpected("the seed's Redis did not answer");
        ChatHistory history;
        history.memory = memory->text();
        for (std::size_t i = 0; i < entries->size(); ++i) {
            auto message = parse_seed_message((*entries)[i].text(), now_ms());
            if (message)
                history.messages.push_back(std::move(*message));
            else
                ++counts_.bad_messages;
        }
        const std::size_t messages = history.messages.size();
        const auto added =
            co_await stores_.sessions().import_chat(ChatKey{**owner, chat_id}, std::move(history));
        if (!added) co_return store_failed(added.error());
        ++(*added ? counts_.chats : counts_.unchanged);
        if (*added) counts_.messages += messages;
        co_return Outcome();
    }

    Executor executor_;
    const Config& config_;
    Stores& stores_;
    std::unique_ptr<Redis> redis_; // the seed's; ends after the loop
    Progress progress_;
    Counts counts_;
    std::set<std::pair<std::string, std::string>> names_; // key and chat_id
};

Task<Outcome> import_from(Executor executor, const Config& config, Stores& stores, std::string database,
                          std::optional<RedisUrl> redis) {
    SeedImport import(executor, config, stores);
    co_return co_await import.run(std::move(database), std::move(redis));
}

} // namespace

Outcome import_seed(const Config& config, const Environment& environment,
                    const std::optional<std::string>& redis_url) {
    std::optional<RedisUrl> redis = config.redis;
    if (redis_url) {
        auto address = parse_redis_url(*redis_url);
        if (!address) return std::unexpected("--redis: " + address.error());
        redis = std::move(*address);
    }
    const auto database = environment("SEED_DATABASE_URL");
    if (!database) return std::unexpected("SEED_DATABASE_URL is not set: the seed's postgresql://… URL");
    return run_on_stores(config, [&](Executor executor, Stores& stores) {
        return import_from(executor, config, stores, *database, redis);
    });
}

} // namespace npcchat
