#include "base/json_reader.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace npcchat {
namespace {

using namespace std::string_literals;

constexpr int kDepth = 64;

std::string dump(const json_t* value) {
    char* text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
    std::string copy = text;
    std::free(text);
    return copy;
}

std::string read_and_dump(std::string_view text) {
    const auto value = read_json(text, kDepth);
    return value ? dump(value->get()) : "refused";
}

JsonError error_of(std::string_view text) {
    return read_json(text, kDepth).error();
}

TEST(JsonReader, ReadsNumbers) {
    EXPECT_EQ(read_and_dump("-0"), "0");
    EXPECT_EQ(read_and_dump("9223372036854775807"), "9223372036854775807");
    EXPECT_EQ(read_and_dump("1e-999"), "0.0");
    const auto beyond = read_json("[9223372036854775808, -18446744073709551616]", kDepth);
    ASSERT_TRUE(beyond.has_value());
    EXPECT_EQ(json_real_value(json_array_get(beyond->get(), 0)), 9223372036854775808.0);
    EXPECT_EQ(json_real_value(json_array_get(beyond->get(), 1)), -18446744073709551616.0);
    for (const auto& text : {"-"s, "+1"s, ".5"s, "1."s, "1e"s, "1e+"s, "0x1"s, "--1"s, "1e999"s, "-1e999"s})
        EXPECT_EQ(read_and_dump(text), "refused") << text;
}

TEST(JsonReader, Unescapes) {
    EXPECT_EQ(read_and_dump(R"("\"\\\/\b\f\n\r\t")"), R"("\"\\/\b\f\n\r\t")");
    EXPECT_EQ(read_and_dump(R"("a\u0041b\u00e9\u9f8d\ud83d\ude00z")"), "\"aAbé龍😀z\"");
    EXPECT_EQ(read_and_dump(R"({"\u0061": {"\u0062": "\n"}, "c": "\t"})"), R"({"a":{"b":"\n"},"c":"\t"})");
    for (const auto& text :
         {R"("\)"s, R"("\u)"s, R"("\u12")"s, R"("\u12g4")"s, R"("\U0041")"s, R"("\ud83d")"s, R"("\ud83dx")"s,
          R"("\ud83d\n")"s, R"("\ud83d\u0041")"s, "\"\\\0\""s})
        EXPECT_EQ(read_and_dump(text), "refused") << text;
}

TEST(JsonReader, SaysWhatIsWrongAndWhere) {
    EXPECT_EQ(error_of(R"({"a": 1, "a": 2})").fault, JsonFault::duplicate_key);
    EXPECT_EQ(error_of(R"(["\u0000"])").fault, JsonFault::nul);
    EXPECT_EQ(error_of("\"\xFF\"").fault, JsonFault::utf8);
    EXPECT_EQ(error_of(std::string(kDepth + 1, '[')).fault, JsonFault::depth);
    EXPECT_EQ(error_of("[1,\n oops]").fault, JsonFault::syntax);
    EXPECT_EQ(error_of("[1,\n oops]").at, 5U);
    EXPECT_EQ(error_of("{} x").at, 3U);
}

// Well formed texts, damaged at random. Without NUL, which jansson takes for the end in some places.
TEST(JsonReader, AgreesWithJansson) {
    std::mt19937 random(7);
    const std::vector<std::string> seeds = {
        R"({"choices": [{"message": {"role": "assistant", "content": "Well \"met\", \u00e9 龍"}}], "n": -1.5e3})",
        R"([true, false, null, 0, -0.0, 12345678901, "", {}, [], [[{"a": {"b": [1]}}]], "\ud83d\ude00\n"])",
        R"( {"message" : "Hail!" , "chat_id":"abc_-9", "stream": false, "x": 1E+2} )",
    };
    const std::string bytes = "\"\\{}[],: \n\t019-+.eEtrufalsn/\x01\x7f\xc3\xa9\xff";
    for (int round = 0; round < 60'000; ++round) {
        std::string text = seeds[random() % seeds.size()];
        for (auto damage = random() % 4; damage > 0; --damage) {
            const std::size_t at = random() % text.size();
            const char byte = bytes[random() % bytes.size()];
            switch (random() % 3) {
            case 0:
                text[at] = byte;
                break;
            case 1:
                text.insert(at, 1, byte);
                break;
            default:
                text.erase(at, 1 + random() % 3);
            }
        }
        const Json expected(
            json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, nullptr));
        EXPECT_EQ(read_and_dump(text), expected ? dump(expected.get()) : "refused") << text;
    }
}

} // namespace
} // namespace npcchat
