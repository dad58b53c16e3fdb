#include "service.hpp"

#include "base/log.hpp"
#include "base/number.hpp"
#include "db/migrations.hpp"
#include "db/postgres_listener.hpp"
#include "http/listener.hpp"
#include "http/server.hpp"
#include "io/event_loop.hpp"
#include "routes/routes.hpp"
#include "services.hpp"
#include "session/archiver.hpp"
#include "session/redis_settings.hpp"
#include "stores.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <thread>
#include <unistd.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

constexpr auto kMaxDrain = 60s;
constexpr auto kDrainPoll = 20ms;
constexpr auto kSweepEvery = 60s; // or a quarter of CHAT_TTL, where that is less
constexpr auto kFlushLogEvery = 200ms;
constexpr auto kWriteUsageEvery = 1s;
constexpr auto kSweepDocumentsEvery = 5s;
constexpr auto kSweepDocumentsPause = 10ms; // between two steps: others use the database too
constexpr auto kWaitForDatabase = 60s;

// One event loop and all that works on it. Parts are ended in the reverse of their order.
struct Loop {
    Loop(Shared& shared, StoreBackends& backends)
        : stores(context.get_executor(), backends), leases(context.get_executor(), stores.sessions()),
          http(context.get_executor()), models(http),
          embedder(http, shared.config.embed_url, shared.config.rerank_url),
          traces(context.get_executor(), http, shared.config.traces),
          services{shared,   shared.config,     stores.catalog(), stores.documents(),  stores.embeddings(),
                   embedder, stores.sessions(), stores.tokens(),  stores.repeats(),    leases,
                   models,   metrics,           traces,           shared.config.models},
          server(context.get_executor(), services) {
        metrics.redis = stores.redis_metrics();
        metrics.database = &stores.database_metrics();
    }

    asio::io_context context{1};
    Stores stores;
    LeaseKeeper leases;
    HttpClient http;
    ModelClient models;
    Embedder embedder;
    Metrics metrics;
    Traces traces;
    Services services;
    Server server;
};

class Service {
  public:
    Service(const Config& config, StoreBackends& backends) : shared_(config), backends_(backends) {
        for (unsigned i = 0; i < config.loops; ++i) {
            loops_.push_back(std::make_unique<Loop>(shared_, backends));
            shared_.metrics.push_back(&loops_.back()->metrics);
        }
    }

    std::expected<void, std::string> listen() {
        const Config& config = shared_.config;
        for (const auto& [address, routes] :
             {std::pair(&config.listen, public_routes()), std::pair(&config.keys_listen, key_routes())}) {
            auto listener = Listener::open(first().get_executor(), *address);
            if (!listener) return std::unexpected(std::move(listener.error()));
            listeners_.push_back(std::move(*listener));
            listeners_.back().start([this, routes](int fd, int family) { distribute(fd, family, routes); });
        }
        return {};
    }

    void run() {
        asio::signal_set signals(first(), SIGTERM, SIGINT);
        signals.async_wait([this](error_code error, int) {
            if (!error) spawn(first().get_executor(), "drain", [this] { return drain(); });
        });
        asio::signal_set hangups(first(), SIGHUP);
        reload_on(hangups);
        spawn(first().get_executor(), "sweeper", [this] { return sweep(); });
        spawn(first().get_executor(), "log", [this] { return flush_log_lines(); });
        spawn(first().get_executor(), "usage", [this] { return write_usage(); });
        spawn(first().get_executor(), "documents", [this] { return sweep_documents(); });
        Loop& working = *loops_.front();
        EmbeddingJob embedding(first().get_executor(), working.embedder, working.stores.embeddings(),
                               shared_.embedding);
        spawn(first().get_executor(), "embedding", [&embedding] { return embedding.run(); });
        const auto archiver = begin_archiving();
        if (Redis* redis = working.stores.redis())
            spawn(first().get_executor(), "redis settings", [redis] { return check_redis_settings(*redis); });
        const auto changes = backends_.changes(first().get_executor());
        if (changes) spawn(first().get_executor(), "changes", [this, &changes] { return hear(*changes); });
        std::vector<std::thread> threads;
        for (std::size_t i = 1; i < loops_.size(); ++i) {
            threads.emplace_back([loop = loops_[i].get()] { run_event_loop(loop->context); });
        }
        run_event_loop(first());
        for (std::thread& thread : threads)
            thread.join();
        if (busy() > 0) {
            // Turns that outlived the drain hold what is about to end: nothing of them may run any more.
            log(Level::warning, "ended with requests in flight",
                {{"requests", static_cast<std::int64_t>(busy())}});
            flush_log();
            _exit(1);
        }
        shared_.passwords.stop();
        shared_.cutter.stop();
        shared_.words.stop();
        shared_.vectors.stop();
        backends_.stop();
    }

  private:
    asio::io_context& first() { return loops_.front()->context; }

    // In turn, so that every loop has its share of connections.
    void distribute(int fd, int family, std::span<const Route> routes) {
        Loop& loop = *loops_[next_++ % loops_.size()];
        asio::post(loop.context, [&loop, fd, family, routes] { loop.server.adopt(fd, family, routes); });
    }

    std::size_t busy() const {
        std::size_t sum = 0;
        for (const auto& loop : loops_)
            sum += loop->server.busy();
        return sum;
    }

    void reload_on(asio::signal_set& hangups) {
        hangups.async_wait([this, &hangups](error_code error, int) {
            if (error) return;
            reload_models();
            reload_on(hangups);
        });
    }

    // Calls that are under way keep the table that they began with.
    void reload_models() {
        const auto table = ModelTable::from_environment(process_environment(), shared_.config.model_timeouts,
                                                        loops_.front()->services.table.get());
        if (!table) {
            log(Level::error, "models not reloaded, the old ones stay",
                {{"error", std::string_view(table.error())}});
            return;
        }
        for (const auto& loop : loops_) {
            asio::post(loop->context,
                       [services = &loop->services, table = *table] { services->table = table; });
        }
        log(Level::info, "models reloaded", {{"models", static_cast<std::int64_t>((*table)->all().size())}});
    }

    Task<void> drain() {
        log(Level::info, "draining", {{"requests", static_cast<std::int64_t>(busy())}});
        for (Listener& listener : listeners_)
            listener.close();
        for (const auto& loop : loops_) {
            asio::post(loop->context, [server = &loop->server] { server->drain(); });
        }
        const auto end = Clock::now() + kMaxDrain;
        Timer timer(first().get_executor());
        do {
            timer.expires_after(kDrainPoll);
            co_await timer.async_wait(use_task);
        } while (busy() > 0 && Clock::now() < end);
        co_await shared_.usage.flush(loops_.front()->stores.catalog());
        co_await flush_traces();
        for (const auto& loop : loops_)
            loop->context.stop();
    }

    // Each loop its own; a collector that does not answer is not waited for.
    Task<void> flush_traces() {
        const auto left = std::make_shared<std::atomic<std::size_t>>(loops_.size());
        for (const auto& loop : loops_) {
            spawn(loop->context.get_executor(), "last traces", [left, traces = &loop->traces] -> Task<void> {
                co_await traces->flush();
                --*left;
            });
        }
        Timer timer(first().get_executor());
        while (*left > 0) {
            timer.expires_after(kDrainPoll);
            co_await timer.async_wait(use_task);
        }
    }

    Task<void> sweep() {
        Timer timer(first().get_executor());
        for (;;) {
            co_await loops_.front()->stores.sessions().sweep();
            timer.expires_after(std::min<Clock::duration>(kSweepEvery, shared_.config.chat_ttl / 4));
            co_await timer.async_wait(use_task);
        }
    }

    Task<void> sweep_documents() {
        Timer timer(first().get_executor());
        for (;;) {
            const auto more = co_await loops_.front()->stores.documents().sweep();
            timer.expires_after(more && *more ? Clock::duration(kSweepDocumentsPause) : kSweepDocumentsEvery);
            co_await timer.async_wait(use_task);
        }
    }

    // Null where nothing is to be archived.
    std::unique_ptr<Archiver> begin_archiving() {
        Loop& loop = *loops_.front();
        const Config& config = shared_.config;
        TieredSessionStore* tiered = loop.stores.tiered_sessions();
        if (!tiered) return nullptr;
        auto archiver = std::make_unique<Archiver>(first().get_executor(), *loop.stores.redis(), *tiered,
                                                   loop.stores.catalog(), config.archive_after.count(),
                                                   config.chat_ttl.count());
        loop.metrics.archive = &archiver->metrics();
        spawn(first().get_executor(), "archiver", [archiver = archiver.get()] { return archiver->run(); });
        return archiver;
    }

    // What other processes added or embedded is found here too.
    Task<void> hear(db::PostgresListener& changes) {
        Shared& shared = shared_;
        const auto missed = [&shared] {
            shared.words.all_changed();
            shared.vectors.all_changed();
        };
        const auto heard = [&shared](std::string_view scope_id) {
            const auto id = parse_number<std::int64_t>(scope_id);
            if (!id) return;
            shared.words.changed(*id);
            shared.vectors.changed(*id);
        };
        co_await changes.run(missed, heard);
    }

    Task<void> flush_log_lines() {
        Timer timer(first().get_executor());
        for (;;) {
            timer.expires_after(kFlushLogEvery);
            co_await timer.async_wait(use_task);
            flush_log();
        }
    }

    Task<void> write_usage() {
        Timer timer(first().get_executor());
        for (;;) {
            timer.expires_after(kWriteUsageEvery);
            co_await timer.async_wait(use_task);
            co_await shared_.usage.flush(loops_.front()->stores.catalog());
        }
    }

    Shared shared_;
    StoreBackends& backends_;
    std::vector<std::unique_ptr<Loop>> loops_;
    std::vector<Listener> listeners_;
    std::size_t next_ = 0;
};

std::expected<void, std::string> migrate_once(const Config& config) {
    if (!config.postgres_url.empty()) return db::migrate_postgres(config.postgres_url);
    auto handle = db::open_sqlite(config.sqlite_path);
    if (!handle) return std::unexpected(std::move(handle.error()));
    return db::migrate_sqlite(handle->get());
}

} // namespace

std::expected<void, std::string> prepare_database(const Config& config) {
    const auto give_up = Clock::now() + (config.postgres_url.empty() ? 0s : kWaitForDatabase);
    for (;;) {
        auto done = migrate_once(config);
        if (done || Clock::now() >= give_up || done.error().starts_with("the database has schema"))
            return done;
        log(Level::warning, "waiting for the database", {{"error", std::string_view(done.error())}});
        std::this_thread::sleep_for(1s);
    }
}

std::expected<void, std::string> run_service(const Config& config) {
    if (auto prepared = prepare_database(config); !prepared) return prepared;
    auto backends = StoreBackends::open(config);
    if (!backends) return std::unexpected(std::move(backends.error()));
    Service service(config, **backends);
    if (auto listening = service.listen(); !listening) return listening;
    log(Level::info, "serving", {{"loops", std::int64_t{config.loops}}});
    flush_log();
    service.run();
    log(Level::info, "ended");
    return {};
}

} // namespace npcchat
