#include "command_line.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace npcchat {
namespace {

using Command = CommandLine::Command;
using Words = std::vector<std::string_view>;

std::expected<CommandLine, std::string> parse(const Words& words) {
    return parse_command_line(words);
}

TEST(CommandLine, NamesWhatToDo) {
    EXPECT_EQ(parse({})->command, Command::serve);
    EXPECT_EQ(parse({"--version"})->command, Command::version);
    for (const Words& words : {Words{"-h"}, {"--help"}, {"export", "--help"}, {"import", "x", "-h"}})
        EXPECT_EQ(parse(words)->command, Command::help);
    EXPECT_EQ(parse({"export", "folder/"})->command, Command::export_stores);
    EXPECT_EQ(parse({"export", "folder/"})->path, "folder/");
    EXPECT_EQ(parse({"import", "file"})->command, Command::import_stores);
    EXPECT_EQ(parse({"import-seed"})->redis_url, std::nullopt);
    EXPECT_EQ(parse({"import-seed", "--redis", "redis://h"})->redis_url, "redis://h");
}

TEST(CommandLine, NamesWhatIsWrong) {
    const std::vector<std::pair<Words, std::string>> cases = {
        {{"serve"}, "'serve'"},
        {{""}, "''"},
        {{"--version", "x"}, "'x'"},
        {{"export"}, "name a file"},
        {{"export", ""}, "name a file"},
        {{"import", "-x"}, "'-x'"},
        {{"import", "a", "b"}, "'b'"},
        {{"import-seed", "redis://h"}, "'redis://h'"},
        {{"import-seed", "--redis"}, "--redis"},
        {{"import-seed", "--redis", "redis://h", "y"}, "'y'"},
    };
    for (const auto& [words, wanted] : cases) {
        const auto line = parse(words);
        ASSERT_FALSE(line.has_value()) << wanted;
        EXPECT_TRUE(line.error().contains(wanted)) << line.error();
    }
}

} // namespace
} // namespace npcchat
