#include "session/redis_settings.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

TEST(RedisSettings, ThatKeepEverythingNeedNoWarning) {
    EXPECT_TRUE(warnings_of({"noeviction", "yes", "0", 0}).empty());
    EXPECT_TRUE(warnings_of({"noeviction", "yes", "1", 2}).empty());
    EXPECT_TRUE(warnings_of({}).empty()); // nothing is known
}

TEST(RedisSettings, ThatLoseChatsAreNamedWithWhatToDo) {
    const auto one = [](const RedisSettings& settings) {
        const auto warnings = warnings_of(settings);
        return warnings.size() == 1 ? warnings.front() : std::to_string(warnings.size());
    };
    EXPECT_TRUE(one({"allkeys-lru", "yes", "0", 0}).contains("set maxmemory-policy noeviction"));
    EXPECT_TRUE(one({"noeviction", "no", "0", 0}).contains("set appendonly yes"));
    EXPECT_TRUE(one({"noeviction", "yes", "0", 1}).contains("set min-replicas-to-write 1"));
    EXPECT_EQ(warnings_of({"volatile-ttl", "no", "0", 3}).size(), 3U);
}

TEST(RedisSettings, AServerThatIsTooOldIsNamed) {
    const auto warnings = [](const char* version) {
        return warnings_of({"noeviction", "yes", "0", 0, version}).size();
    };
    for (const char* version : {"6.2.0", "6.10.1", "7.0.15", "8.2", "7"})
        EXPECT_EQ(warnings(version), 0U) << version;
    for (const char* version : {"6.0.16", "5.0.14", "2.8", "6"})
        EXPECT_EQ(warnings(version), 1U) << version;
}

} // namespace
} // namespace npcchat
