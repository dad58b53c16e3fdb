#include "base/number.hpp"

#include <cstdint>
#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

TEST(Number, IsTheWholeText) {
    EXPECT_EQ(parse_number<int>("0"), 0);
    EXPECT_EQ(parse_number<int>("-12"), -12);
    EXPECT_EQ(parse_number<std::int64_t>("9223372036854775807"), INT64_MAX);
    EXPECT_EQ(parse_number<std::uint16_t>("65535"), 65535);
    EXPECT_EQ(parse_number<double>("2.5"), 2.5);
}

TEST(Number, IsNothingElse) {
    for (const auto& text :
         {""s, " 1"s, "1 "s, "+1"s, "1x"s, "0x1"s, "1.5"s, "1e3"s, "-"s, "2147483648"s, "1\0"s})
        EXPECT_EQ(parse_number<int>(text), std::nullopt) << text;
    EXPECT_EQ(parse_number<std::uint16_t>("65536"), std::nullopt);
    EXPECT_EQ(parse_number<std::uint16_t>("-1"), std::nullopt);
    EXPECT_EQ(parse_number<std::int64_t>("9223372036854775808"), std::nullopt);
    EXPECT_EQ(parse_number<double>("1e999"), std::nullopt);
}

} // namespace
} // namespace npcchat
