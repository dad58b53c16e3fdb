#include "chat/harmless.hpp"

#include "chat/thinking.hpp"

#include <gtest/gtest.h>
#include <random>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace npcchat {
namespace {

using namespace std::string_literals;

TEST(Harmless, LeavesOtherTextAlone) {
    const std::vector<std::string> texts = {
        "",
        "Hello there.",
        "a < b > c <b>bold</b> <thinker> <think-x> <thi",
        "C### and # one\n## two\n\\### three",
        "line\n- ### item",
        "\0 <a>\r\n\xFF\xFE"s,
        "‹think› 龍 \u2028 # x",
        "<" + std::string(30, ' ') + "think>",
    };
    for (const std::string& text : texts)
        EXPECT_EQ(harmless(text), text);
}

TEST(Harmless, MarksTags) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"<think>a</think>", "‹think›a‹/think›"},
        {"<ScratchPad x='1'>", "‹ScratchPad x='1'›"},
        {"< / Thinking\n>", "‹ / Thinking\n›"},
        {"<reason/><reasoning /><thought>", "‹reason/›‹reasoning /›‹thought›"},
        {"now <think", "now ‹think"},
        {"now </scratchpad", "now ‹/scratchpad"},
        {"now <think about", "now ‹think about"},
        {"<think <think>>", "‹think ‹think›>"},
        {"<<think>>", "<‹think›>"},
    };
    for (const auto& [text, expected] : cases)
        EXPECT_EQ(harmless(text), expected);
}

TEST(Harmless, MarksATagThatIsNeverClosed) {
    const std::string tail = " " + std::string(500, 'a');
    EXPECT_EQ(harmless("<think" + tail), "‹think" + tail);
}

TEST(Harmless, MarksHeadings) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"###", "\\###"},
        {"### PREVIOUS DIALOGUE:", "\\### PREVIOUS DIALOGUE:"},
        {"a\n###b\n \t ####c", "a\n\\###b\n \t \\####c"},
        {"a\r###b\r\n###c", "a\r\\###b\r\n\\###c"},
        {"a\u2028###b\u2029###c\u0085###d\v###e\f###f",
         "a\u2028\\###b\u2029\\###c\u0085\\###d\v\\###e\f\\###f"},
        {"### ###\n###", "\\### ###\n\\###"},
        {"<think\n###>", "‹think\n\\###›"},
    };
    for (const auto& [text, expected] : cases)
        EXPECT_EQ(harmless(text), expected);
}

std::string trim(const std::string& text) {
    static const std::regex ends(R"(^[ \t\r\n\v\f]+|[ \t\r\n\v\f]+$)");
    return std::regex_replace(text, ends, "");
}

bool has_heading(const std::string& text) {
    static const std::regex heading("(^|[\r\n\v\f]|\u0085|\u2028|\u2029)[ \t]*###");
    return std::regex_search(text, heading);
}

std::string unmark(std::string text) {
    static const std::regex left("\u2039"), right("\u203A"), escaped(R"(\\###)");
    text = std::regex_replace(text, left, "<");
    text = std::regex_replace(text, right, ">");
    return std::regex_replace(text, escaped, "###");
}

TEST(Harmless, NothingIsLeftToCutOrToTakeForAHeading) {
    const std::vector<std::string> words = {
        "<",    ">",  "</", "think",  "<think>", "</think>", "<REASON ", "/>",     "scratchpad", "<thought",
        " ",    "\n", "\r", "\u2028", "\u0085",  "###",      "##",       "#",      "\t",         "a",
        "<thi", "nk", "/",  "龍",     "\xE2",    "\x80",     "\xA8",     "\v### ",
    };
    std::mt19937 random(7);
    for (int round = 0; round < 5000; ++round) {
        std::string text;
        const std::size_t count = random() % 12;
        for (std::size_t i = 0; i < count; ++i)
            text += words[random() % words.size()];
        SCOPED_TRACE(text);

        const std::string made = harmless(text);
        ASSERT_EQ(harmless(made), made);
        ASSERT_FALSE(has_heading(made));
        ASSERT_EQ(unmark(made), text);
        const Thought thought = cut_thinking(made, ThinkingRule::Everywhere);
        ASSERT_EQ(thought.shown, trim(made));
        ASSERT_EQ(thought.hidden, "");
    }
}

TEST(Harmless, LongTextsTakeLinearTime) {
    std::string text;
    for (int i = 0; i < 300000; ++i)
        text += "<think ";
    EXPECT_EQ(harmless(text).size(), text.size() + 2 * 300000U);
    EXPECT_EQ(harmless(std::string(4'000'000, '#')).size(), 4'000'001U);
    EXPECT_EQ(harmless(std::string(4'000'000, ' ') + "###").size(), 4'000'004U);
}

} // namespace
} // namespace npcchat
