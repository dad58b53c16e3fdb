#include "traceparent.hpp"

#include <gtest/gtest.h>

#include <string>

namespace npcchat {
namespace {

constexpr std::string_view good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Traceparent, TheSpecificationsExamples) {
    EXPECT_TRUE(is_traceparent(good));
    EXPECT_TRUE(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
    EXPECT_EQ(slice(good, trace_id_begin, trace_id_size), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(Traceparent, EveryByteCounts) {
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (char bad : {'G', 'g', 'A', ' ', '\0', '-', '_', '\xff'}) {
            if (good[i] == bad) continue;
            std::string text(good);
            text[i] = bad;
            EXPECT_FALSE(is_traceparent(text)) << text;
        }
    }
}

TEST(Traceparent, EveryLengthCounts) {
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(is_traceparent(slice(good, 0, size)));
    EXPECT_FALSE(is_traceparent(std::string(good) + "-"));
    EXPECT_FALSE(is_traceparent(std::string(good) + "0"));
}

TEST(Traceparent, NoIdIsAllZeros) {
    std::string text(good);
    text.replace(3, 32, std::string(32, '0'));
    EXPECT_FALSE(is_traceparent(text));
    text = good;
    text.replace(36, 16, std::string(16, '0'));
    EXPECT_FALSE(is_traceparent(text));
    text = good;
    text.replace(3, 32, std::string(31, '0') + "1");
    EXPECT_TRUE(is_traceparent(text));
}

TEST(Traceparent, LaterVersionsMayGoOn) {
    std::string later = "01" + std::string(slice(good, 2));
    EXPECT_TRUE(is_traceparent(later));
    EXPECT_TRUE(is_traceparent(later + "-"));
    EXPECT_TRUE(is_traceparent(later + "-what-comes-later"));
    EXPECT_FALSE(is_traceparent(later + "x"));
    EXPECT_FALSE(is_traceparent("ff" + std::string(slice(good, 2))));
}

} // namespace
} // namespace npcchat
