#include "base/clock.hpp"

#include <chrono>
#include <gtest/gtest.h>

namespace npcchat {
namespace {

TEST(Clock, WritesRfc3339) {
    EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(rfc3339(1), "1970-01-01T00:00:00.001Z");
    EXPECT_EQ(rfc3339(951'782'399'999), "2000-02-28T23:59:59.999Z");
    EXPECT_EQ(rfc3339(951'782'400'000), "2000-02-29T00:00:00.000Z");
    EXPECT_EQ(rfc3339(1'769'851'800'125), "2026-01-31T09:30:00.125Z");
    EXPECT_EQ(rfc3339(2'147'483'648'000), "2038-01-19T03:14:08.000Z");
}

TEST(Clock, IsTheSystems) {
    using namespace std::chrono;
    const auto before = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    const Millis now = now_ms();
    const auto after = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    EXPECT_LE(before, now);
    EXPECT_LE(now, after);
}

} // namespace
} // namespace npcchat
