#include "text_writer.hpp"

#include "hex.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace npcchat {
namespace {

template <typename... Parts> std::string written(const Parts&... parts) {
    TextRoom room;
    room.write(parts...);
    std::string memory(room.size(), '\0');
    TextWriter out(memory.data());
    out.write(parts...);
    return std::string(out.take());
}

std::string seconds(std::int64_t milliseconds) {
    char memory[seconds_max];
    TextWriter out(memory);
    out.add_seconds(milliseconds);
    return std::string(out.take());
}

TEST(TextWriter, WritesNumbersOfEveryLength) {
    std::uint64_t number = 0;
    for (int digits = 1; digits <= 18; ++digits) {
        number = number * 10 + static_cast<std::uint64_t>(digits % 10);
        for (std::int64_t n : {static_cast<std::int64_t>(number), -static_cast<std::int64_t>(number)})
            EXPECT_EQ(written(n), std::to_string(n));
    }
    for (std::int64_t power = 10;; power *= 10) {
        for (std::int64_t n = power - 1; n <= power + 1; ++n)
            EXPECT_EQ(written(n), std::to_string(n));
        if (power == 1'000'000'000'000'000'000) break;
    }
    for (std::int64_t n : {std::int64_t{0}, std::numeric_limits<std::int64_t>::max(),
                           std::numeric_limits<std::int64_t>::min()}) {
        EXPECT_EQ(written(n), std::to_string(n));
        EXPECT_LE(written(n).size(), decimal_max);
    }
}

TEST(TextWriter, WritesSecondsWithThreeDecimals) {
    EXPECT_EQ(seconds(0), "0.000");
    EXPECT_EQ(seconds(7), "0.007");
    EXPECT_EQ(seconds(42), "0.042");
    EXPECT_EQ(seconds(999), "0.999");
    EXPECT_EQ(seconds(1000), "1.000");
    EXPECT_EQ(seconds(123'456), "123.456");
    EXPECT_EQ(seconds(std::numeric_limits<std::int64_t>::max()), "9223372036854775.807");
}

TEST(TextWriter, WritesPartsOneAfterTheOther) {
    EXPECT_EQ(written("a literal", std::string_view(), ';', std::string_view("a text"), std::int64_t{12}),
              "a literal;a text12");
}

TEST(TextWriter, TakesWhatWasAddedSinceTheLastTime) {
    char memory[8];
    TextWriter out(memory);
    EXPECT_TRUE(out.empty());
    out.add("ab");
    EXPECT_FALSE(out.empty());
    EXPECT_EQ(out.take(), "ab");
    EXPECT_TRUE(out.empty());
    out.add("cd");
    EXPECT_EQ(out.take(), "cd");
    EXPECT_EQ(std::string_view(memory, 4), "abcd");
}

TEST(Hex, WritesEveryByte) {
    constexpr char digits[] = "0123456789abcdef";
    for (unsigned byte = 0; byte < 256; ++byte) {
        std::array<unsigned char, 3> bytes = {0, static_cast<unsigned char>(byte), 255};
        char text[6];
        write_hex(bytes, text);
        EXPECT_EQ(std::string_view(text, 6),
                  std::string("00") + digits[byte / 16] + digits[byte % 16] + "ff");
    }
}

} // namespace
} // namespace npcchat
