#include "transfer/record.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

const std::string kText = "line\nfeed \"quoted\" \\ \u00e9 \U0001F409 \x01";

// A record of each kind, with every member set.
std::vector<Record> all_kinds() {
    Npc npc;
    npc.npc_id = "5dcc0f0a";
    npc.owner_id = 7;
    npc.char_descr = kText;
    npc.world_descr = "w";
    npc.has_scratchpad = true;
    npc.created = 5;
    npc.updated = 6;
    npc.world = "ostrava";
    ChatHistory history{
        "npc", kText, {{Speaker::user, kText, "", 1}, {Speaker::assistant, "", kText, 2}}, 1, 2};
    return {HeaderRecord{"store", 9},
            UserRecord{User{7, kText, R"({"requests_per_minute": 60})", 3},
                       "key",
                       "$y$",
                       {{std::string(64, 'a'), 1, 0}, {std::string(64, '0'), 1, 2}}},
            npc,
            DocumentRecord{"d", "npc", "", 7, "title", "source", R"({"b":1,"a":[2]})", kText, 8},
            ModelUsage{7, 20'000, "model", 1, 2, 3},
            SeedRecord{"user:arthur", 4},
            ChatRecord{{7, "chat"}, {3, 2, history}},
            EndRecord{8}};
}

TEST(ExportRecord, IsReadAsItWasWritten) {
    for (const Record& record : all_kinds()) {
        const std::string line = to_line(record);
        EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
        const auto read = parse_record(line);
        ASSERT_TRUE(read.has_value()) << line << read.error();
        EXPECT_EQ(read->index(), record.index());
        EXPECT_EQ(to_line(*read), line);
    }
}

TEST(ExportRecord, SaysWhatIsWrong) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", "JSON"},
        {"[]", "object"},
        {R"({"type":"parrot"})", "'parrot'"},
        {R"({})", "type"},
        {R"({"type":"export","version":99,"store":"s","created":1})", "newer"},
        {R"({"type":"end"})", "lines"},
        {R"({"type":"end","lines":"1"})", "lines"},
        {R"({"type":"seed","source":"","at":1})", "source"},
        {R"({"type":"user","id":0})", "id"},
        {R"({"type":"chat","user":1,"chat_id":"a b"})", "chat_id"},
        {R"({"type":"chat","user":1,"chat_id":"c","count":1,"first":1,"remembered":2,"used":0,"messages":[]})",
         "count"},
        {R"({"type":"chat","user":1,"chat_id":"c","count":1,"first":9223372036854775807,"remembered":0,"used":0,)"
         R"("messages":[{"role":"user","text":"","time":1}]})",
         "count"},
        {R"({"type":"chat","user":1,"chat_id":"c","count":1,"first":1,"remembered":0,"used":0,"messages":[7]})",
         "role"},
        {R"({"type":"chat","user":1,"chat_id":"c","count":1,"first":1,"remembered":0,"used":0,"messages":{}})",
         "messages"},
    };
    for (const auto& [line, wanted] : cases) {
        const auto read = parse_record(line);
        ASSERT_FALSE(read.has_value()) << line;
        EXPECT_TRUE(read.error().contains(wanted)) << line << ": " << read.error();
    }
}

TEST(ExportRecord, EveryMissingMemberIsNamed) {
    for (const Record& record : all_kinds()) {
        std::string line = to_line(record);
        // Another name for each in turn.
        for (auto at = line.find("\":"); at != line.npos; at = line.find("\":", at + 2)) {
            std::string broken = line;
            broken.insert(at, "_");
            const auto begin = line.rfind('"', at - 1) + 1;
            const std::string name = line.substr(begin, at - begin);
            const auto read = parse_record(broken);
            if (!read) EXPECT_TRUE(read.error().contains(name)) << read.error();
        }
    }
}

TEST(ExportRecord, LongChatsAreSplit) {
    ChatHistory history{"npc", "memory", {}, 4, 9};
    for (int i = 0; i < 1200; ++i)
        history.messages.push_back({i % 2 ? Speaker::assistant : Speaker::user, std::to_string(i), "", i});
    history.messages[600].text.assign(1 << 20, 'x');
    const auto parts = split_chat(history);
    ASSERT_GT(parts.size(), 3U);
    std::int64_t next = 1;
    for (const ChatPart& part : parts) {
        EXPECT_EQ(part.first, next);
        EXPECT_EQ(part.count, 1200);
        EXPECT_EQ(part.history.memory, "memory");
        EXPECT_EQ(part.history.remembered, 4);
        next += static_cast<std::int64_t>(part.history.messages.size());
    }
    EXPECT_EQ(next, 1201);
    const auto nothing = split_chat(ChatHistory{std::nullopt, "memory alone", {}});
    ASSERT_EQ(nothing.size(), 1U);
    EXPECT_EQ(nothing[0].count, 0);
}

} // namespace
} // namespace npcchat
