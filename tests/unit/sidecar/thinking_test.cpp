#include "chat/thinking.hpp"

#include "base/utf8.hpp"

#include <algorithm>
#include <cctype>
#include <gtest/gtest.h>
#include <random>
#include <regex>
#include <string>
#include <vector>

namespace npcchat {
namespace {

constexpr auto kEverywhere = ThinkingRule::Everywhere;
constexpr auto kOpeningOnly = ThinkingRule::OpeningOnly;

struct Case {
    std::string reply;
    std::string shown;
    std::string hidden;
};

const std::vector<Case>& everywhere_cases() {
    static const std::vector<Case> cases = {
        {"", "", ""},
        {"Good day, traveller.", "Good day, traveller.", ""},
        {"  \n Good day. \t\n", "Good day.", ""},
        {"<scratchpad>He lies.</scratchpad>\nWelcome!", "Welcome!", "He lies."},
        {"Well <THINK>a plan</Think> then", "Well  then", "a plan"},
        {"<thinking>1</thinking><reason>2</reason>x<reasoning>3</reasoning><thought>4</thought>", "x",
         "1\n2\n3\n4"},
        {"< think >a< / think >b", "b", "a"},
        {"<think\n type=\"deep\">a</think\t>b", "b", "a"},
        {"a<think/>b<think />c<think / >d", "abcd", ""},
        {"<think>a<reason/>b</think>c", "c", "a<reason/>b"},
        {"<think>a<think>b</think>c</think>d", "d", "a<think>b</think>c"},
        {"<think>a<reason>b</think>c", "c", "a<reason>b"},
        {"<think>a</reason>b</think>c", "c", "a</reason>b"},
        {"<think>a</thinking>b", "", "a</thinking>b"},
        {"Yes.</think> No.", "Yes. No.", ""},
        {"Yes. <think>never closed", "Yes.", "never closed"},
        {"Yes. <think", "Yes.", "<think"},
        {"Yes. <think about it", "Yes.", "<think about it"},
        {"<think>a</think>Yes. <reason why", "Yes.", "a\n<reason why"},
        {"Yes.</think", "Yes.", ""},
        {"<think>a</think", "", "a</think"},
        {"Yes. <thi", "Yes. <thi", ""},
        {"Yes. <thinkin", "Yes. <thinkin", ""},
        {"Yes. <", "Yes. <", ""},
        {"a < b and <b>bold</b> <thinker> <think-x> <thinks> <think5> </ /think> <think=a>",
         "a < b and <b>bold</b> <thinker> <think-x> <thinks> <think5> </ /think> <think=a>", ""},
        {"<<think>a</think>>", "<>", "a"},
        {"<think <b>", "<think <b>", ""},
        {"<think <think>a</think>b", "<think b", "a"},
        {"<think> </think> \n ", "", ""},
        {"<think>\n a\n</think>\n\n<think> b </think> c", "c", "a\n\n b"},
        {"Zwölf <think>geheim…</think>Drachen \U0001F409 ", "Zwölf Drachen \U0001F409", "geheim…"},
        {"a\n\n  <think>x</think>\n b", "a\n\n  \n b", "x"},
    };
    return cases;
}

const std::vector<Case>& opening_cases() {
    static const std::vector<Case> cases = {
        {"", "", ""},
        {" plain ", "plain", ""},
        {"<think>a</think> The answer.", "The answer.", "a"},
        {" \n<Thinking>a<think>b</think></Thinking>\nThe <think> tag </think>", "The <think> tag </think>",
         "a<think>b</think>"},
        {"<think>a</think><think>b</think>c", "<think>b</think>c", "a"},
        {"<think/>c<think>d", "c<think>d", ""},
        {"Use <think>a</think>", "Use <think>a</think>", ""},
        {"</think> closes it", "</think> closes it", ""},
        {"</think", "</think", ""},
        {"<b>bold</b><think>a</think>", "<b>bold</b><think>a</think>", ""},
        {"<thi", "<thi", ""},
        {"<think", "", "<think"},
        {"<think>never closed", "", "never closed"},
        {"<think>a</think>x</think", "x</think", "a"},
    };
    return cases;
}

Thought in_pieces(const std::vector<std::string>& pieces, ThinkingRule rule) {
    ThinkingFilter filter(rule);
    Thought thought;
    for (const std::string& piece : pieces)
        thought.shown += filter.feed(piece);
    thought.shown += filter.finish();
    thought.hidden = filter.take_hidden();
    return thought;
}

void expect_same_at_every_split(const Case& c, ThinkingRule rule) {
    SCOPED_TRACE(c.reply);
    const auto check = [&](const std::vector<std::string>& pieces) {
        const Thought thought = in_pieces(pieces, rule);
        ASSERT_EQ(thought.shown, c.shown);
        ASSERT_EQ(thought.hidden, c.hidden);
    };
    const std::size_t size = c.reply.size();
    check({c.reply});
    for (std::size_t i = 0; i <= size; ++i) {
        for (std::size_t j = i; j <= size; ++j) {
            check({c.reply.substr(0, i), c.reply.substr(i, j - i), c.reply.substr(j)});
        }
    }
    std::vector<std::string> bytes;
    for (const char byte : c.reply)
        bytes.emplace_back(1, byte);
    check(bytes);
}

TEST(Thinking, CutsEverywhereAtEverySplit) {
    for (const Case& c : everywhere_cases())
        expect_same_at_every_split(c, kEverywhere);
}

TEST(Thinking, CutsTheOpeningAtEverySplit) {
    for (const Case& c : opening_cases())
        expect_same_at_every_split(c, kOpeningOnly);
}

TEST(Thinking, BoundsATag) {
    for (const auto rule : {kEverywhere, kOpeningOnly}) {
        const std::string fits = "<think " + std::string(kMaxTagAttributes - 1, 'a') + ">x</think>y";
        const std::string over = "<think " + std::string(kMaxTagAttributes, 'a') + ">x";
        const std::string open = "<think " + std::string(kMaxTagAttributes, 'a');
        expect_same_at_every_split({fits, "y", "x"}, rule);
        expect_same_at_every_split({over, over, ""}, rule);
        expect_same_at_every_split({open, open, ""}, rule);
    }
    expect_same_at_every_split({"<" + std::string(16, ' ') + "think>x", "", "x"}, kEverywhere);
    expect_same_at_every_split(
        {"<" + std::string(17, ' ') + "think>x", "<" + std::string(17, ' ') + "think>x", ""}, kEverywhere);
}

TEST(Thinking, ShowsTextAtOnce) {
    ThinkingFilter filter(kEverywhere);
    EXPECT_EQ(filter.feed("a < b"), "a < b");
    EXPECT_EQ(filter.feed(" <"), "");
    EXPECT_EQ(filter.feed("b"), " <b");
    EXPECT_EQ(filter.feed("<thin"), "");
    EXPECT_EQ(filter.feed("g> "), "<thing>");
    EXPECT_EQ(filter.feed(" \n"), "");
    EXPECT_EQ(filter.feed("x"), "  \nx");
    EXPECT_EQ(filter.feed("<think "), "");
    EXPECT_EQ(filter.feed(std::string(kMaxTagAttributes, 'a')),
              "<think " + std::string(kMaxTagAttributes, 'a'));
    EXPECT_EQ(filter.finish(), "");
}

TEST(Thinking, OpeningRuleHoldsNothingBackAfterTheOpening) {
    ThinkingFilter filter(kOpeningOnly);
    EXPECT_EQ(filter.feed("\n <think>a</thin"), "");
    EXPECT_EQ(filter.feed("k> Use <"), "Use <");
    EXPECT_EQ(filter.feed("think"), "think");
    EXPECT_EQ(filter.finish(), "");
    EXPECT_EQ(filter.take_hidden(), "a");
}

TEST(Thinking, DeepNestingStaysHidden) {
    std::string reply;
    for (int i = 0; i < 10000; ++i)
        reply += "<think>";
    for (int i = 0; i < 10000; ++i)
        reply += "</think>";
    EXPECT_EQ(cut_thinking(reply + "secret", kEverywhere).shown, "");
}

TEST(Thinking, BoundsWhatItKeepsOfTheHidden) {
    ThinkingFilter filter(kEverywhere);
    std::string shown = filter.feed("<think>a");
    for (int i = 0; i < 1000; ++i)
        shown += filter.feed(std::string(333, 'b') + "龍龍龍龍");
    shown += filter.feed("</think>done");
    shown += filter.finish();
    EXPECT_EQ(shown, "done");
    const std::string hidden = filter.take_hidden();
    EXPECT_LE(hidden.size(), kMaxHidden);
    EXPECT_GE(hidden.size(), kMaxHidden - 4);
    EXPECT_TRUE(is_valid_utf8(hidden));
}

TEST(Thinking, LongRepliesTakeLinearTime) {
    std::string reply;
    for (int i = 0; i < 400000; ++i)
        reply += "<think ";
    EXPECT_EQ(cut_thinking(reply, kEverywhere).shown.size(),
              reply.size() - 8); // the last, and the space before it
    EXPECT_EQ(cut_thinking(std::string(4'000'000, '<'), kEverywhere).shown.size(), 4'000'000U);
    EXPECT_EQ(cut_thinking("<" + std::string(4'000'000, 't'), kEverywhere).shown.size(), 4'000'001U);
}

// The rule told a second time, by regular expressions.
class Reference {
  public:
    static std::string shown(const std::string& reply, ThinkingRule rule) {
        static const std::regex tag(
            R"(^<([ \n]{0,16}|[ \n]{0,7}/[ \n]{0,8})(scratchpad|thinking|think|reasoning|reason|thought)([ \n/][^<>]{0,127})?(>|$))",
            std::regex::icase);
        std::string out;
        std::vector<std::string> open;
        bool past_opening = false;
        for (std::size_t at = 0; at < reply.size();) {
            std::smatch match;
            const std::string rest = reply.substr(at, 300);
            const bool found = !(past_opening && open.empty()) && std::regex_search(rest, match, tag);
            const bool closing = found && match[1].str().find('/') != std::string::npos;
            if (!found || (rule == kOpeningOnly && closing && open.empty())) {
                if (open.empty()) out += reply[at];
                past_opening = past_opening || (rule == kOpeningOnly && open.empty() && !is_space(reply[at]));
                ++at;
                continue;
            }
            apply(open, match, closing);
            past_opening = past_opening || rule == kOpeningOnly;
            at += static_cast<std::size_t>(match.length());
        }
        static const std::regex ends(R"(^[ \n]+|[ \n]+$)");
        return std::regex_replace(out, ends, "");
    }

  private:
    static bool is_space(char c) { return c == ' ' || c == '\n'; }

    static void apply(std::vector<std::string>& open, const std::smatch& match, bool closing) {
        std::string name = match[2];
        for (char& c : name)
            c = static_cast<char>(std::tolower(c));
        static const std::regex slash(R"(/[ \n]*$)");
        const bool empty = std::regex_search(match[3].str(), slash);
        if (!closing) {
            if (!empty || match[4].length() == 0) open.push_back(name);
            return;
        }
        const auto found = std::find(open.rbegin(), open.rend(), name);
        if (found != open.rend()) open.erase(found.base() - 1, open.end());
    }
};

std::string random_reply(std::mt19937& random) {
    static const std::vector<std::string> words = {
        "<",       ">",        "</",         "think",    "<think>", "</think>", "<THINKING>", "</thinking>",
        "<reason", "/>",       "scratchpad", "<thought", " ",       "\n",       "a",          "龍",
        "x=\"1\"", "</reason", "<thi",       "nk",       "/",       "b < c",    "<think/>",   "reasoning>",
    };
    std::string reply;
    const std::size_t count = random() % 14;
    for (std::size_t i = 0; i < count; ++i)
        reply += words[random() % words.size()];
    return reply;
}

TEST(Thinking, AgreesWithTheReferenceHoweverItIsSplit) {
    std::mt19937 random(20240607);
    for (int round = 0; round < 5000; ++round) {
        const std::string reply = random_reply(random);
        const auto rule = random() % 2 == 0 ? kEverywhere : kOpeningOnly;
        SCOPED_TRACE(reply);
        const Thought whole = cut_thinking(reply, rule);
        ASSERT_EQ(whole.shown, Reference::shown(reply, rule));

        std::vector<std::string> pieces;
        for (std::size_t at = 0; at < reply.size();) {
            const std::size_t size = random() % 6;
            pieces.push_back(reply.substr(at, size));
            at += size;
        }
        const Thought split = in_pieces(pieces, rule);
        ASSERT_EQ(split.shown, whole.shown);
        ASSERT_EQ(split.hidden, whole.hidden);
    }
}

} // namespace
} // namespace npcchat
