#include "base/json.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

int status_of(std::string_view text) {
    const auto value = parse_json(text);
    return value ? 200 : value.error().status;
}

std::string nested(int depth, const std::string& open, const std::string& inner, const std::string& close) {
    std::string text;
    for (int i = 0; i < depth; ++i)
        text += open;
    text += inner;
    for (int i = 0; i < depth; ++i)
        text += close;
    return text;
}

TEST(Json, ReadsAnyValue) {
    for (const auto& text : {"{}"s, "[]"s, "1"s, "-1.5e3"s, "\"é\""s, "null"s, "true"s,
                             " \n{\"a\": [1, {}]}\t"s, R"({"a": 1, "b": {"a": 2}})"s})
        EXPECT_EQ(status_of(text), 200) << text;
}

TEST(Json, RefusesWhatIsNotJson) {
    for (const auto& text : {""s,
                             " "s,
                             "{"s,
                             "}"s,
                             "{]"s,
                             "{'a': 1}"s,
                             "{\"a\": 1,}"s,
                             "{\"a\"}"s,
                             "[1 2]"s,
                             "{} {}"s,
                             "{}x"s,
                             "nul"s,
                             "NaN"s,
                             "01"s,
                             "\"a\nb\""s,
                             "\"\\x\""s,
                             "// a\n{}"s,
                             "\xEF\xBB\xBF{}"s,
                             "username=a"s,
                             "{\"a\": 1e999}"s})
        EXPECT_EQ(status_of(text), 400) << text;
}

TEST(Json, RefusesDuplicateKeys) {
    for (const auto& text :
         {R"({"a": 1, "a": 1})"s, R"({"b": {"a": 1, "a": 2}})"s, R"([{"a": 1, "\u0061": 2}])"s}) {
        const auto value = parse_json(text);
        ASSERT_FALSE(value.has_value()) << text;
        EXPECT_EQ(value.error().status, 400);
        EXPECT_NE(value.error().detail.find("twice"), std::string::npos) << value.error().detail;
    }
}

TEST(Json, RefusesNul) {
    for (const auto& text : {R"("\u0000")"s, R"({"a": "x\u0000y"})"s, R"({"\u0000": 1})"s,
                             R"({"a\u0000b": 1})"s, "\"a\0b\""s, "{}\0"s, "\0{}"s})
        EXPECT_EQ(status_of(text), 400) << text;
    EXPECT_EQ(status_of(R"("\\u0000")"), 200);
}

TEST(Json, RefusesBadUtf8) {
    for (const auto& bytes :
         {"\xFF"s, "\xC3"s, "\xC0\x80"s, "\xED\xA0\x80"s, "\xF4\x90\x80\x80"s, "\xE2\x82"s}) {
        const auto value = parse_json("{\"a\": \"" + bytes + "\"}");
        ASSERT_FALSE(value.has_value());
        EXPECT_EQ(value.error().status, 400);
    }
    EXPECT_EQ(status_of(R"("\ud800")"), 400);
    EXPECT_EQ(status_of(R"("\udc00\ud800")"), 400);
    EXPECT_EQ(status_of(R"("\ud83d\ude00")"), 200);
}

TEST(Json, BoundsTheDepth) {
    EXPECT_EQ(status_of(nested(kJsonMaxDepth, "[", "1", "]")), 200);
    EXPECT_EQ(status_of(nested(kJsonMaxDepth + 1, "[", "1", "]")), 400);
    EXPECT_EQ(status_of(nested(kJsonMaxDepth - 1, "{\"a\":", "{}", "}")), 200);
    EXPECT_EQ(status_of(nested(kJsonMaxDepth, "{\"a\":", "{}", "}")), 400);
    EXPECT_EQ(status_of(std::string(1'000'000, '[')), 400);
    EXPECT_EQ(status_of(std::string(1000, ']') + std::string(100'000, '[')), 400);
}

TEST(Json, CountsNoBracketsInStrings) {
    const std::string brackets(1000, '[');
    EXPECT_EQ(status_of("\"" + brackets + "\""), 200);
    EXPECT_EQ(status_of(R"("\")" + brackets + "\""), 200);
    EXPECT_EQ(status_of(R"({"\\": "{{{{\\", "b": ")" + brackets + "\"}"), 200);
    EXPECT_EQ(status_of(R"(["\\",)" + brackets + "]"), 400);
}

TEST(Json, RepeatsNothingOfTheInput) {
    for (const auto& text : {R"({"npc_secretkey": )"s, R"({"npc_secretkey": 1, "npc_secretkey": 2})"s,
                             R"(["npc_secretkey" oops])"s, "\"npc_secretkey\xFF\""s}) {
        const auto value = parse_json(text);
        ASSERT_FALSE(value.has_value()) << text;
        EXPECT_EQ(value.error().detail.find("npc_secretkey"), std::string::npos) << value.error().detail;
    }
}

TEST(Json, WantsAnObject) {
    EXPECT_TRUE(parse_json_object("{}").has_value());
    for (const auto& text : {"[]"s, "1"s, "null"s, "\"{}\""s})
        EXPECT_EQ(parse_json_object(text).error().status, 422) << text;
    EXPECT_EQ(parse_json_object("{").error().status, 400);
}

class JsonFields : public testing::Test {
  protected:
    template <class T> void expect_422(const Result<T>& result, std::string_view start) {
        ASSERT_FALSE(result.has_value()) << start;
        EXPECT_EQ(result.error().status, 422);
        EXPECT_TRUE(result.error().detail.starts_with(start)) << result.error().detail;
    }

    Json object = parse_json(R"({"text": "héllo", "empty": "", "nothing": null, "number": 7, "real": 7.0,
                                 "yes": true, "no": false, "list": [], "low": -9223372036854775808,
                                 "Text": "other"})")
                      .value();
    Fields fields{object.get()};
};

TEST_F(JsonFields, ReadsTexts) {
    EXPECT_EQ(fields.text("text", 1, 6), "héllo");
    EXPECT_EQ(fields.text("empty", 0, 1), "");
    EXPECT_EQ(fields.optional_text("text", 6, 6).value(), "héllo");
    EXPECT_EQ(fields.optional_text("nothing", 1, 2).value(), std::nullopt);
    EXPECT_EQ(fields.optional_text("missing", 1, 2).value(), std::nullopt);
}

TEST_F(JsonFields, NamesTheTextThatIsWrong) {
    expect_422(fields.text("missing", 1, 2), "missing: field required");
    expect_422(fields.text("nothing", 1, 2), "nothing: field required");
    expect_422(fields.text("number", 1, 2), "number: must be a string");
    expect_422(fields.text("yes", 1, 2), "yes: ");
    expect_422(fields.text("list", 1, 2), "list: ");
    expect_422(fields.text("text", 1, 5), "text: must be 1 to 5 bytes long, is 6");
    expect_422(fields.text("empty", 1, 5), "empty: ");
    expect_422(fields.optional_text("number", 1, 2), "number: ");
    expect_422(fields.optional_text("text", 7, 9), "text: ");
}

TEST_F(JsonFields, ReadsFlags) {
    EXPECT_EQ(fields.optional_flag("yes").value(), true);
    EXPECT_EQ(fields.optional_flag("no").value(), false);
    EXPECT_EQ(fields.optional_flag("nothing").value(), std::nullopt);
    EXPECT_EQ(fields.optional_flag("missing").value(), std::nullopt);
    expect_422(fields.optional_flag("number"), "number: must be true or false");
    expect_422(fields.optional_flag("text"), "text: ");
}

TEST_F(JsonFields, ReadsIntegers) {
    EXPECT_EQ(fields.optional_integer("number", 7, 7).value(), 7);
    EXPECT_EQ(fields.optional_integer("low", INT64_MIN, 0).value(), INT64_MIN);
    EXPECT_EQ(fields.optional_integer("nothing", 0, 9).value(), std::nullopt);
    expect_422(fields.optional_integer("number", 8, 9), "number: must be 8 to 9");
    expect_422(fields.optional_integer("number", 0, 6), "number: ");
    expect_422(fields.optional_integer("real", 0, 9), "real: must be a whole number");
    expect_422(fields.optional_integer("yes", 0, 9), "yes: ");
    expect_422(fields.optional_integer("text", 0, 9), "text: ");
}

TEST(JsonString, EscapesWhatMustBe) {
    EXPECT_EQ(json_string(""), "\"\"");
    EXPECT_EQ(json_string("é/龍"), "\"é/龍\"");
    EXPECT_EQ(json_string("a\"b\\c\n\r\t\x01\x1F"), R"("a\"b\\c\n\r\t\u0001\u001f")");
    std::string out = "x";
    append_json_string(out, "\"");
    EXPECT_EQ(out, R"(x"\"")");
}

TEST(JsonString, IsReadBackAsItWas) {
    std::mt19937 random(1);
    const std::vector<std::string> pieces = {"\"",     "\\", "\n", "\x01", "\x1f", "\x7f",  "é",
                                             "\u2028", "😀", "a",  "/",    "<",    "u0041", "\\u0041"};
    for (int round = 0; round < 500; ++round) {
        std::string text;
        for (auto left = random() % 20; left > 0; --left)
            text += pieces[random() % pieces.size()];
        const auto value = parse_json(json_string(text));
        ASSERT_TRUE(value.has_value()) << json_string(text);
        EXPECT_EQ(std::string(json_string_value(value->get()), json_string_length(value->get())), text);
    }
}

TEST(JsonString, MakesErrorBodies) {
    EXPECT_EQ(error_body("no \"such\" thing\n"), R"({"detail": "no \"such\" thing\n"})");
}

} // namespace
} // namespace npcchat
