#include "io/redis.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

TEST(RedisUrl, HasDefaults) {
    const auto address = parse_redis_url("redis://localhost");
    ASSERT_TRUE(address.has_value());
    EXPECT_EQ(address->host, "localhost");
    EXPECT_EQ(address->port, "6379");
    EXPECT_EQ(address->user, "");
    EXPECT_EQ(address->password, "");
    EXPECT_EQ(address->database, 0);
}

TEST(RedisUrl, ReadsAllItsParts) {
    const auto address = parse_redis_url("redis://npc%40chat:p%2Fw%3A%25d@10.0.0.7:6380/3");
    ASSERT_TRUE(address.has_value()) << address.error();
    EXPECT_EQ(address->user, "npc@chat");
    EXPECT_EQ(address->password, "p/w:%d");
    EXPECT_EQ(address->host, "10.0.0.7");
    EXPECT_EQ(address->port, "6380");
    EXPECT_EQ(address->database, 3);
}

TEST(RedisUrl, TheUserMayBeMissing) {
    const auto address = parse_redis_url("redis://:secret@redis/");
    ASSERT_TRUE(address.has_value()) << address.error();
    EXPECT_EQ(address->user, "");
    EXPECT_EQ(address->password, "secret");
    EXPECT_EQ(address->host, "redis");
    EXPECT_EQ(address->database, 0);
}

TEST(RedisUrl, TakesRawSignsInThePassword) {
    const auto address = parse_redis_url("redis://:a@b:c/d@host:1/2");
    ASSERT_TRUE(address.has_value()) << address.error();
    EXPECT_EQ(address->password, "a@b:c/d");
    EXPECT_EQ(address->host, "host");
    EXPECT_EQ(address->database, 2);
}

TEST(RedisUrl, ReadsIpv6) {
    const auto with_port = parse_redis_url("redis://[::1]:6380/1");
    ASSERT_TRUE(with_port.has_value());
    EXPECT_EQ(with_port->host, "::1");
    EXPECT_EQ(with_port->port, "6380");
    const auto without = parse_redis_url("redis://[2001:db8::7]");
    ASSERT_TRUE(without.has_value());
    EXPECT_EQ(without->host, "2001:db8::7");
    EXPECT_EQ(without->port, "6379");
}

TEST(RedisUrl, RefusesOthers) {
    for (const auto& url :
         {""s, "redis"s, "localhost:6379"s, "rediss://localhost"s, "http://localhost"s, "redis:/localhost"s,
          "redis://"s, "redis://:6379"s, "redis:///0"s, "redis://localhost:"s, "redis://user@localhost"s,
          "redis://:%zz@localhost"s, "redis://%:secret@localhost"s, "redis://localhost/x"s,
          "redis://localhost/1x"s, "redis://localhost/1/2"s})
        EXPECT_FALSE(parse_redis_url(url).has_value()) << url;
}

TEST(RedisUrl, RefusesNumbersThatAreNone) {
    for (const auto& url :
         {"redis://localhost/99999999999"s, "redis://localhost/-1"s, "redis://localhost:99999"s,
          "redis://localhost:0"s, "redis://localhost:-1"s, "redis://localhost:63x"s})
        EXPECT_FALSE(parse_redis_url(url).has_value()) << url;
}

TEST(RedisUrl, ErrorsSayWhatToWriteAndShowNoPassword) {
    for (const auto& url : {"http://:secret@localhost"s, "redis://:secret@"s, "redis://secret@localhost"s,
                            "redis://:secret%zz@localhost"s, "redis://:secret@localhost/x"s}) {
        const auto address = parse_redis_url(url);
        ASSERT_FALSE(address.has_value()) << url;
        EXPECT_NE(address.error().find("redis://"), std::string::npos) << address.error();
        EXPECT_EQ(address.error().find("secret"), std::string::npos) << address.error();
    }
}

} // namespace
} // namespace npcchat
