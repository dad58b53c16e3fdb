#include "base/retry_after.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

// Sun, 06 Nov 1994 08:49:37 GMT, the moment of RFC 9110's examples.
constexpr std::chrono::sys_seconds kNow =
    std::chrono::sys_days{std::chrono::year(1994) / 11 / 6} + 8h + 49min + 37s;

std::optional<std::chrono::seconds> parse(const std::string& value) {
    return parse_retry_after(value, kNow);
}

TEST(RetryAfter, TakesSeconds) {
    EXPECT_EQ(parse("0"), 0s);
    EXPECT_EQ(parse("7"), 7s);
    EXPECT_EQ(parse(" 120\t\r\n"), 120s);
    EXPECT_EQ(parse("007"), 7s);
    // More than a year is as good as a year, and more than a number holds.
    EXPECT_EQ(parse("99999999999"), 366 * 24h);
    EXPECT_EQ(parse(std::string(400, '9')), 366 * 24h);
}

TEST(RetryAfter, TakesAllThreeFormsOfDates) {
    EXPECT_EQ(parse("Sun, 06 Nov 1994 08:50:07 GMT"), 30s);
    EXPECT_EQ(parse("Sunday, 06-Nov-94 08:50:07 GMT"), 30s);
    EXPECT_EQ(parse("Sun Nov  6 08:50:07 1994"), 30s);
    EXPECT_EQ(parse("Mon, 07 Nov 1994 00:00:00 GMT"), 15h + 10min + 23s);
    EXPECT_EQ(parse("Wed Nov 16 08:49:37 1994"), 240h);
    EXPECT_EQ(parse("Sat, 31 Dec 1994 23:59:60 GMT"), parse("Sun, 01 Jan 1995 00:00:00 GMT"));
}

TEST(RetryAfter, TwoDigitsOfAYearAreNotFarAhead) {
    // 2044 is 50 years ahead, 45 means 1945.
    EXPECT_EQ(parse("Sunday, 06-Nov-44 08:49:37 GMT"), 366 * 24h);
    EXPECT_EQ(parse("Sunday, 06-Nov-45 08:49:37 GMT"), 0s);
}

TEST(RetryAfter, WhatHasPassedIsNow) {
    EXPECT_EQ(parse("Sun, 06 Nov 1994 08:49:36 GMT"), 0s);
    EXPECT_EQ(parse("Thu, 01 Jan 1970 00:00:00 GMT"), 0s);
}

TEST(RetryAfter, TakesNothingElse) {
    for (const auto* value : {"",
                              " ",
                              "soon",
                              "-1",
                              "+1",
                              "1.5",
                              "1 2",
                              "0x10",
                              "Sun, 06 Nov 1994",
                              "Sun, 06 Nov 1994 08:49:37",
                              "Sun, 06 Nov 1994 08:49:37 CET",
                              "Sun, 31 Feb 1994 08:49:37 GMT",
                              "Sun, 06 Foo 1994 08:49:37 GMT",
                              "Sun, 06 Nov 1994 24:00:00 GMT",
                              "Sun, 06 Nov 1994 08:60:00 GMT",
                              "Sun, 06 Nov 1994 0849:37 GMT",
                              ", GMT",
                              "Sun,",
                              "Sun Nov",
                              "Sun Nov 6 08:49:37",
                              "06 Nov 1994 08:49:37 GMT"})
        EXPECT_EQ(parse(value), std::nullopt) << value;
}

} // namespace
} // namespace npcchat
