// npcchat-sidecar: the command line.
#include "base/log.hpp"
#include "config/config.hpp"
#include "import/seed.hpp"
#include "service.hpp"

#include <csignal>
#include <cstdio>
#include <curl/curl.h>
#include <fmt/format.h>
#include <span>
#include <sys/resource.h>

namespace {

constexpr const char* kUsage =
    R"(npcchat-sidecar serves npcchat's API behind nginx and its npcchat module.

usage:
  npcchat-sidecar                          serve, until SIGTERM
  npcchat-sidecar import-seed [--redis URL]
                                           take over users, keys, NPCs, chats and memories of the FastAPI
                                           system, from SEED_DATABASE_URL and its Redis; safe to run again
  npcchat-sidecar --help | --version

environment (see README.md for all):
  STATE_DIR          where the embedded database, the socket and the made-up secrets live (var)
  ADMIN_KEY          the admin's key (made up, in STATE_DIR/admin.key)
  DATABASE_URL       postgresql://... or sqlite:PATH (sqlite:STATE_DIR/npcchat.db)
  REDIS_URL          redis://[user:password@]host[:port][/db], redis+cluster://…host:port,host:port or
                     redis+sentinel://…host:port,host:port/NAME (none: sessions live in the database)
  SIDECAR_LISTEN     unix:PATH or host:port (unix:STATE_DIR/run/sidecar.sock)
  OPENAI_API_KEY, OPENAI_BASE_URL, NEBIUS_API_KEY, NEBIUS_BASE_URL, MODELS_FILE, MODEL_NAME
)";

int fail_with(const std::string& what) {
    fmt::print(stderr, "npcchat-sidecar: {}\n", what);
    return 1;
}

// One descriptor a connection on either side: as many as the system gives.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    if (!args.empty() && (args[0] == "--help" || args[0] == "-h")) {
        fmt::print("{}", kUsage);
        return 0;
    }
    if (!args.empty() && args[0] == "--version") {
        fmt::print("npcchat-sidecar {}\n", NPCCHAT_VERSION);
        return 0;
    }
    if (!args.empty() && args[0] != "import-seed") {
        fmt::print(stderr, "npcchat-sidecar: unknown argument '{}'\n\n{}", args[0], kUsage);
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    curl_global_init(CURL_GLOBAL_DEFAULT);

    const auto environment = npcchat::process_environment();
    const auto config = npcchat::Config::from_environment(environment);
    if (!config) return fail_with(config.error());
    const auto done = args.empty() ? npcchat::run_service(*config)
                                   : npcchat::import_seed(*config, environment, std::span(args).subspan(1));
    npcchat::flush_log();
    curl_global_cleanup();
    return done ? 0 : fail_with(done.error());
}
