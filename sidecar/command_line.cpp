#include "command_line.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

using Command = CommandLine::Command;

struct Word {
    std::string_view word;
    Command command;
};
constexpr Word kCommands[] = {{"--help", Command::help},          {"-h", Command::help},
                              {"--version", Command::version},    {"import-seed", Command::import_seed},
                              {"export", Command::export_stores}, {"import", Command::import_stores}};

std::unexpected<std::string> too_many(std::string_view argument) {
    return std::unexpected(fmt::format("unknown argument '{}'", argument));
}

} // namespace

const char* const kUsage =
    R"(npcchat-sidecar serves npcchat's API behind nginx and its npcchat module.

usage:
  npcchat-sidecar                          serve, until SIGTERM
  npcchat-sidecar export FILE|DIR          write users, keys, NPCs, documents, usage, chats and memories of the
                                           stores into a file (in a folder: npcchat-export.jsonl); interrupted,
                                           run it again to go on. The file has password hashes and what was said
  npcchat-sidecar import FILE|DIR          read such a file into the stores; what is there already stays as it
                                           is, so that it can be run again
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

export and import work on the stores that DATABASE_URL, REDIS_URL and STATE_DIR name.
)";

std::expected<CommandLine, std::string> parse_command_line(std::span<const std::string_view> args) {
    CommandLine line;
    if (args.empty()) return line;
    const auto known = std::ranges::find(kCommands, args[0], &Word::word);
    if (known == std::end(kCommands)) return too_many(args[0]);
    line.command = known->command;
    const auto rest = args.subspan(1);
    if (std::ranges::any_of(rest, [](auto arg) { return arg == "--help" || arg == "-h"; })) {
        line.command = Command::help;
        return line;
    }
    switch (line.command) {
    case Command::export_stores:
    case Command::import_stores:
        if (rest.empty() || rest[0].empty())
            return std::unexpected(fmt::format("{}: name a file or a folder", args[0]));
        if (rest[0].starts_with('-')) return too_many(rest[0]);
        if (rest.size() > 1) return too_many(rest[1]);
        line.path = rest[0];
        return line;
    case Command::import_seed:
        if (rest.empty()) return line;
        if (rest[0] != "--redis") return too_many(rest[0]);
        if (rest.size() < 2) return std::unexpected("--redis: name a URL, redis://…");
        if (rest.size() > 2) return too_many(rest[2]);
        line.redis_url = rest[1];
        return line;
    default:
        if (!rest.empty() && line.command != Command::help) return too_many(rest[0]);
        return line;
    }
}

} // namespace npcchat
