// What npcchat-sidecar is asked to do: all its arguments in one place.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace npcchat {

struct CommandLine {
    enum class Command { serve, help, version, import_seed, export_stores, import_stores };
    Command command = Command::serve;
    std::string path;                     // of export and import: a file or a folder
    std::optional<std::string> redis_url; // of import-seed
};

// The error says which argument is wrong.
std::expected<CommandLine, std::string> parse_command_line(std::span<const std::string_view> args);

// For --help.
extern const char* const kUsage;

} // namespace npcchat
