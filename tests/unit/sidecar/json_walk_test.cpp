#include "base/json_walk.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace npcchat {
namespace {

using namespace std::string_literals;

// "name=value", in order.
std::vector<std::string> parts(std::string_view text, bool expect_failure = false) {
    JsonWalk walk(text);
    std::vector<std::string> found;
    while (walk.next())
        found.push_back(std::string(walk.name()) + "=" + std::string(walk.value()));
    EXPECT_EQ(walk.failed(), expect_failure) << text;
    EXPECT_FALSE(walk.next());
    return found;
}

using Parts = std::vector<std::string>;

TEST(JsonWalk, FindsWhereValuesStand) {
    EXPECT_EQ(parts("{}"), Parts());
    EXPECT_EQ(parts(" [ ] "), Parts());
    EXPECT_EQ(parts(R"({"a":1,"b":"x","c":null})"), (Parts{"a=1", R"(b="x")", "c=null"}));
    EXPECT_EQ(parts("\t{ \"a\" : 1.50e+3 ,\n\"b\" : [ 1, {\"c\": 2} ] }\r\n"),
              (Parts{"a=1.50e+3", "b=[ 1, {\"c\": 2} ]"}));
    EXPECT_EQ(parts(R"([1, "two", [3], {"4": 4}, true])"),
              (Parts{"=1", R"(="two")", "=[3]", R"(={"4": 4})", "=true"}));
    EXPECT_EQ(parts(R"({"":0})"), Parts{"=0"});
}

TEST(JsonWalk, BracketsInStringsAreText) {
    EXPECT_EQ(parts(R"({"a":"}],\"","b\"":{"c":"\\"},"d":"\\\""})"),
              (Parts{R"(a="}],\"")", R"(b\"={"c":"\\"})", R"(d="\\\"")"}));
}

TEST(JsonWalk, MembersAreGivenAsTheyStand) {
    JsonWalk walk(R"({ "a" :  1.0 , "b":"x" })");
    ASSERT_TRUE(walk.next());
    EXPECT_EQ(walk.member(), R"("a" :  1.0)");
    ASSERT_TRUE(walk.next());
    EXPECT_EQ(walk.member(), R"("b":"x")");
}

TEST(JsonWalk, NamesMayBeEscaped) {
    JsonWalk walk(R"({"mod\u0065l": 1, "\ud800": 2})");
    ASSERT_TRUE(walk.next());
    EXPECT_TRUE(walk.is_named("model"));
    EXPECT_FALSE(walk.is_named("mode"));
    ASSERT_TRUE(walk.next());
    EXPECT_FALSE(walk.is_named(""));
}

TEST(JsonWalk, RefusesWhatIsMalformed) {
    for (const auto& text : {""s,
                             " "s,
                             "1"s,
                             "\"a\""s,
                             "{"s,
                             "["s,
                             "}"s,
                             "{]"s,
                             "[}"s,
                             "{1:2}"s,
                             "{\"a\"}"s,
                             "{\"a\":}"s,
                             "{\"a\" 1}"s,
                             "{\"a\":1"s,
                             "{\"a\":1,}"s,
                             "{,}"s,
                             "[1,]"s,
                             "[,1]"s,
                             "[1 2]"s,
                             "{\"a\":1}x"s,
                             "{}{}"s,
                             "{\"a\":\"x}"s,
                             "{\"a\":\"x\\"s,
                             "{\"a\":[1}"s,
                             "{\"a\":{]}"s,
                             "{\"a\":[}"s,
                             "[\xFF]"s,
                             "{a:1}"s,
                             "{'a':1}"s,
                             "[/**/]"s,
                             "{\"a\":" + std::string(65, '[') + std::string(65, ']') + "}"})
        parts(text, true);
}

TEST(JsonWalk, EveryCutIsNoticed) {
    const std::string text = R"({"a":[1,{"b":"c\"]"}],"d":"e","f":-1.5})";
    for (std::size_t size = 0; size < text.size(); ++size)
        parts(std::string_view(text).substr(0, size), true);
    EXPECT_EQ(parts(text).size(), 3U);
}

TEST(FindJsonMember, FindsTheFirst) {
    EXPECT_EQ(find_json_member(R"({"a": 1, "b": [2], "b": 3})", "b"), "[2]");
    EXPECT_EQ(find_json_member(R"({"a": 1})", "b"), "");
    EXPECT_EQ(find_json_member(R"(["b", 1])", "b"), "");
    EXPECT_EQ(find_json_member("", "b"), "");
}

TEST(MembersWithout, KeepsTheOthersByteForByte) {
    EXPECT_EQ(members_without(R"({"a":1.0, "b" : "x","c":[1e5, {"b": 2}] , "d":-0})", {"b", "e"}),
              R"("a":1.0,"c":[1e5, {"b": 2}],"d":-0)");
    EXPECT_EQ(members_without(R"({"a":1})", {"a"}), "");
    EXPECT_EQ(members_without(R"({"\u0061":1,"b":2})", {"a"}), R"("b":2)");
    EXPECT_EQ(members_without("{}", {}), "");
}

TEST(ReadJsonString, Decodes) {
    EXPECT_EQ(read_json_string(R"("a\"\u00e9\n🐉\ud83d\udc09")"), "a\"é\n🐉🐉");
    EXPECT_EQ(read_json_string(R"("")"), "");
    for (const auto& text :
         {""s, "a"s, "\""s, "\"a"s, R"("\ud800")"s, R"("\u0000")"s, "\"\xFF\""s, "null"s, "7"s, "\"a\"b"s})
        EXPECT_EQ(read_json_string(text), std::nullopt) << text;
}

TEST(ReadJsonCount, TakesWholeNumbers) {
    EXPECT_EQ(read_json_count("12"), 12);
    for (const auto* text : {"", "0", "-3", "1.5", "1e3", "\"7\"", "null", "99999999999999999999"})
        EXPECT_EQ(read_json_count(text), 0) << text;
}

} // namespace
} // namespace npcchat
