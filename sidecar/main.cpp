// npcchat-sidecar: from its command line to its end.
#include "base/log.hpp"
#include "command_line.hpp"
#include "config/config.hpp"
#include "import/seed.hpp"
#include "service.hpp"
#include "transfer/export.hpp"
#include "transfer/import.hpp"

#include <csignal>
#include <cstdio>
#include <curl/curl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sched.h>
#include <span>
#include <string>
#include <sys/resource.h>

namespace {

using npcchat::CommandLine;

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

// Edge, sidecar and Redis wake each other several times a turn. By this policy whoever is woken lets the
// running one finish first, so that under load each finds more to do at once: see sched(7). A system that
// refuses it loses some throughput and nothing else. The allocator's thread is there already; later ones inherit.
void prefer_throughput() {
    std::error_code error;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
        const sched_param param{};
        sched_setscheduler(std::stoi(task.path().filename()), SCHED_BATCH, &param);
    }
}

std::expected<void, std::string> carry_out(const CommandLine& line, const npcchat::Config& config,
                                           const npcchat::Environment& environment) {
    switch (line.command) {
    case CommandLine::Command::import_seed:
        return npcchat::import_seed(config, environment, line.redis_url);
    case CommandLine::Command::export_stores:
        return npcchat::export_stores(config, line.path);
    case CommandLine::Command::import_stores:
        return npcchat::import_stores(config, line.path);
    default:
        prefer_throughput();
        return npcchat::run_service(config);
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    const auto line = npcchat::parse_command_line(args);
    if (!line) {
        fmt::print(stderr, "npcchat-sidecar: {}\n\n{}", line.error(), npcchat::kUsage);
        return 2;
    }
    if (line->command == CommandLine::Command::help) {
        fmt::print("{}", npcchat::kUsage);
        return 0;
    }
    if (line->command == CommandLine::Command::version) {
        fmt::print("npcchat-sidecar {}\n", NPCCHAT_VERSION);
        return 0;
    }
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    curl_global_init(CURL_GLOBAL_DEFAULT);

    const auto environment = npcchat::process_environment();
    const auto config = npcchat::Config::from_environment(environment);
    if (!config) return fail_with(config.error());
    const auto done = carry_out(*line, *config, environment);
    npcchat::flush_log();
    curl_global_cleanup();
    return done ? 0 : fail_with(done.error());
}
