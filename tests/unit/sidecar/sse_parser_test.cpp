#include "model/sse_parser.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace npcchat {
namespace {

using namespace std::string_literals;

struct Seen {
    std::string type;
    std::string data;
    bool operator==(const Seen&) const = default;
};

void PrintTo(const Seen& seen, std::ostream* out) {
    *out << "{" << seen.type << ", " << seen.data << "}";
}

void take_all(SseParser& parser, std::vector<Seen>& seen) {
    while (const auto event = parser.next())
        seen.push_back({std::string(event->type), std::string(event->data)});
}

std::vector<Seen> parse(const std::vector<std::string>& pieces, bool with_rest = false) {
    SseParser parser;
    std::vector<Seen> seen;
    for (const std::string& piece : pieces) {
        parser.push(piece);
        take_all(parser, seen);
    }
    if (with_rest) {
        if (const auto event = parser.rest())
            seen.push_back({std::string(event->type), std::string(event->data)});
        EXPECT_FALSE(parser.rest().has_value());
    }
    EXPECT_FALSE(parser.too_long());
    return seen;
}

struct Case {
    std::string text;
    std::vector<Seen> events;
    std::vector<Seen> with_rest; // what rest() adds
};

const std::vector<Case>& cases() {
    static const std::vector<Case> all = {
        {"", {}, {}},
        {"\n\n\n", {}, {}},
        {"data: a\n\n", {{"", "a"}}, {}},
        {"data:a\r\n\r\ndata:b\r\n\r\n", {{"", "a"}, {"", "b"}}, {}},
        {"data: a\r\rdata: b\r\r", {{"", "a"}, {"", "b"}}, {}},
        {"data: a\r\n\ndata: b\n\r\n", {{"", "a"}, {"", "b"}}, {}},
        {"data:  a \n\n", {{"", " a "}}, {}},
        {"data\n\ndata:\n\ndata: \n\n", {{"", ""}, {"", ""}, {"", ""}}, {}},
        {"data: a\ndata: b\ndata\ndata: c\n\n", {{"", "a\nb\n\nc"}}, {}},
        {"event: error\ndata: a\n\ndata: b\n\n", {{"error", "a"}, {"", "b"}}, {}},
        {"event: ping\n\ndata: b\n\n", {{"", "b"}}, {}},
        {": a comment\n\n:\n\ndata: a\n: in between\ndata: b\n\n", {{"", "a\nb"}}, {}},
        {"id: 7\nretry: 10\nother: x\nDATA: y\nnothing\ndata: a\n\n", {{"", "a"}}, {}},
        {"\xEF\xBB\xBF"
         "data: a\n\n\xEF\xBB\xBF"
         "data: b\n\n",
         {{"", "a"}},
         {}},
        {"data: a: b\n\n", {{"", "a: b"}}, {}},
        {"data: Zażółć 🐉\n\n", {{"", "Zażółć 🐉"}}, {}},
        {"data: \xFF\xFE\n\n", {{"", "\xFF\xFE"}}, {}},
        {"data: a\0b\n\n"s, {{"", "a\0b"s}}, {}},
        {"data: a\n\ndata: b\n", {{"", "a"}}, {{"", "b"}}},
        {"data: a\n\ndata: b", {{"", "a"}}, {{"", "b"}}},
        {"event: error\ndata: a\r", {}, {{"error", "a"}}},
        {"data: a\n\n: bye", {{"", "a"}}, {}},
        {"data: a\n\nevent: x", {{"", "a"}}, {}},
    };
    return all;
}

TEST(SseParser, ReadsEventsAtEverySplit) {
    for (const Case& c : cases()) {
        SCOPED_TRACE(c.text);
        std::vector<Seen> all = c.events;
        all.insert(all.end(), c.with_rest.begin(), c.with_rest.end());
        const std::string& text = c.text;
        for (std::size_t i = 0; i <= text.size(); ++i) {
            for (std::size_t j = i; j <= text.size(); ++j) {
                const std::vector pieces = {text.substr(0, i), text.substr(i, j - i), text.substr(j)};
                ASSERT_EQ(parse(pieces), c.events);
                ASSERT_EQ(parse(pieces, true), all);
            }
        }
        std::vector<std::string> bytes;
        for (const char byte : text)
            bytes.emplace_back(1, byte);
        ASSERT_EQ(parse(bytes, true), all);
    }
}

TEST(SseParser, GivesAnEventAsSoonAsItIsWhole) {
    SseParser parser;
    parser.push("data: a\r\n\r");
    ASSERT_TRUE(parser.next().has_value());
    parser.push("\ndata: b\n");
    EXPECT_FALSE(parser.next().has_value());
    parser.push("\n");
    EXPECT_EQ(parser.next()->data, "b");
}

TEST(SseParser, ALineHasABound) {
    const std::string most(SseParser::kMaxSize - 6, 'x');
    SseParser parser;
    parser.push("data: " + most + "\n\n");
    EXPECT_EQ(parser.next()->data.size(), most.size());
    parser.push("data: " + most + "x\n\n");
    EXPECT_FALSE(parser.next().has_value());
    EXPECT_TRUE(parser.too_long());
    parser.push("\n\ndata: a\n\n");
    EXPECT_FALSE(parser.next().has_value());
    EXPECT_FALSE(parser.rest().has_value());
}

TEST(SseParser, ALineThatDoesNotEndHasTheSameBound) {
    SseParser parser;
    const std::string piece(64 * 1024, 'x');
    for (std::size_t sent = 0; sent <= SseParser::kMaxSize && !parser.too_long(); sent += piece.size()) {
        parser.push(piece);
        EXPECT_FALSE(parser.next().has_value());
    }
    EXPECT_TRUE(parser.too_long());
}

TEST(SseParser, AnEventOfManyLinesHasABound) {
    SseParser parser;
    const std::string line = "data: " + std::string(1000, 'x') + "\n";
    for (std::size_t sent = 0; sent <= SseParser::kMaxSize + line.size() && !parser.too_long();
         sent += 1000) {
        parser.push(line);
        EXPECT_FALSE(parser.next().has_value());
    }
    EXPECT_TRUE(parser.too_long());
}

} // namespace
} // namespace npcchat
