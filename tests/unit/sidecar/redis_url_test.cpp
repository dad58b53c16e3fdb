#include "io/redis_url.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;
using Kind = RedisUrl::Kind;
using Hosts = std::vector<RedisHost>;

TEST(RedisUrl, HasDefaults) {
    const auto url = parse_redis_url("redis://localhost");
    ASSERT_TRUE(url.has_value()) << url.error();
    EXPECT_EQ(url->kind, Kind::single);
    EXPECT_EQ(url->hosts, (Hosts{{"localhost", "6379"}}));
    EXPECT_EQ(url->user, "");
    EXPECT_EQ(url->password, "");
    EXPECT_EQ(url->database, 0);
}

TEST(RedisUrl, ReadsAllItsParts) {
    const auto url = parse_redis_url("redis://npc%40chat:p%2Fw%3A%25d@10.0.0.7:6380/3");
    ASSERT_TRUE(url.has_value()) << url.error();
    EXPECT_EQ(url->user, "npc@chat");
    EXPECT_EQ(url->password, "p/w:%d");
    EXPECT_EQ(url->hosts, (Hosts{{"10.0.0.7", "6380"}}));
    EXPECT_EQ(url->database, 3);
}

TEST(RedisUrl, TheUserMayBeMissing) {
    const auto url = parse_redis_url("redis://:secret@redis/");
    ASSERT_TRUE(url.has_value()) << url.error();
    EXPECT_EQ(url->user, "");
    EXPECT_EQ(url->password, "secret");
    EXPECT_EQ(url->hosts, (Hosts{{"redis", "6379"}}));
    EXPECT_EQ(url->database, 0);
}

TEST(RedisUrl, TakesRawSignsInThePassword) {
    const auto url = parse_redis_url("redis+cluster://:a@b:c/d,e@host:1,other:2");
    ASSERT_TRUE(url.has_value()) << url.error();
    EXPECT_EQ(url->password, "a@b:c/d,e");
    EXPECT_EQ(url->hosts, (Hosts{{"host", "1"}, {"other", "2"}}));
}

TEST(RedisUrl, ReadsIpv6) {
    const auto with_port = parse_redis_url("redis://[::1]:6380/1");
    ASSERT_TRUE(with_port.has_value());
    EXPECT_EQ(with_port->hosts, (Hosts{{"::1", "6380"}}));
    const auto without = parse_redis_url("redis+cluster://[2001:db8::7],[::1]:7");
    ASSERT_TRUE(without.has_value());
    EXPECT_EQ(without->hosts, (Hosts{{"2001:db8::7", "6379"}, {"::1", "7"}}));
}

TEST(RedisUrl, NamesNodesOfACluster) {
    const auto url = parse_redis_url("redis+cluster://chat:secret@a:7000,b:7001,c/");
    ASSERT_TRUE(url.has_value()) << url.error();
    EXPECT_EQ(url->kind, Kind::cluster);
    EXPECT_EQ(url->hosts, (Hosts{{"a", "7000"}, {"b", "7001"}, {"c", "6379"}}));
    EXPECT_EQ(url->user, "chat");
    EXPECT_EQ(url->password, "secret");
    EXPECT_TRUE(parse_redis_url("redis+cluster://a/0").has_value());
}

TEST(RedisUrl, NamesSentinelsAndTheirMaster) {
    const auto url = parse_redis_url("redis+sentinel://:secret@a,b:5000/my%2Fmaster/2");
    ASSERT_TRUE(url.has_value()) << url.error();
    EXPECT_EQ(url->kind, Kind::sentinel);
    EXPECT_EQ(url->hosts, (Hosts{{"a", "26379"}, {"b", "5000"}}));
    EXPECT_EQ(url->password, "secret");
    EXPECT_EQ(url->master, "my/master");
    EXPECT_EQ(url->database, 2);
    EXPECT_EQ(parse_redis_url("redis+sentinel://a/mymaster")->database, 0);
}

TEST(RedisUrl, NamesAUnixSocket) {
    const auto url = parse_redis_url("unix:///run/redis@main/redis.sock");
    ASSERT_TRUE(url.has_value()) << url.error();
    EXPECT_EQ(url->kind, Kind::single);
    EXPECT_EQ(url->hosts, (Hosts{{"/run/redis@main/redis.sock", ""}}));
    EXPECT_EQ(to_string(url->hosts.front()), "/run/redis@main/redis.sock");
    EXPECT_EQ(url->database, 0);
    const auto whole = parse_redis_url("unix://npc%40chat:p%2Fw@/run/a%20b%3F@/redis.sock?db=3");
    ASSERT_TRUE(whole.has_value()) << whole.error();
    EXPECT_EQ(whole->user, "npc@chat");
    EXPECT_EQ(whole->password, "p/w");
    EXPECT_EQ(whole->hosts, (Hosts{{"/run/a b?@/redis.sock", ""}}));
    EXPECT_EQ(whole->database, 3);
}

TEST(RedisUrl, TheSystemBoundsASocketsPath) {
    EXPECT_TRUE(parse_redis_url("unix:///" + std::string(106, 'a')).has_value());
    EXPECT_FALSE(parse_redis_url("unix:///" + std::string(107, 'a')).has_value());
}

TEST(RedisUrl, RefusesOthers) {
    for (const auto& url : {""s,
                            "redis"s,
                            "localhost:6379"s,
                            "rediss://localhost"s,
                            "http://localhost"s,
                            "redis:/localhost"s,
                            "redis://"s,
                            "redis://:6379"s,
                            "redis:///0"s,
                            "redis://localhost:"s,
                            "redis://user@localhost"s,
                            "redis://:%zz@localhost"s,
                            "redis://%:secret@localhost"s,
                            "redis://localhost/x"s,
                            "redis://localhost/1x"s,
                            "redis://localhost/1/2"s,
                            "redis://a,b"s,
                            "redis+cluster://"s,
                            "redis+cluster://a,,b"s,
                            "redis+cluster://a,"s,
                            "redis+cluster://a/1"s,
                            "redis+cluster://a:x"s,
                            "redis+sentinel://a"s,
                            "redis+sentinel://a/"s,
                            "redis+sentinel:///name"s,
                            "redis+sentinel://a/name/x"s,
                            "redis+sentinel://a/%zz"s,
                            "redis+other://a"s,
                            "unix://"s,
                            "unix://redis.sock"s,
                            "unix://user@/redis.sock"s,
                            "unix://:%zz@/redis.sock"s,
                            "unix:///redis%zz.sock"s,
                            "unix:///redis%00.sock"s,
                            "unix:///redis.sock?db=x"s,
                            "unix:///redis.sock?database=1"s})
        EXPECT_FALSE(parse_redis_url(url).has_value()) << url;
}

TEST(RedisUrl, RefusesNumbersThatAreNone) {
    for (const auto& url :
         {"redis://localhost/99999999999"s, "redis://localhost/-1"s, "redis://localhost:99999"s,
          "redis://localhost:0"s, "redis://localhost:-1"s, "redis://localhost:63x"s})
        EXPECT_FALSE(parse_redis_url(url).has_value()) << url;
}

TEST(RedisUrl, ErrorsSayWhatToWriteAndShowNoPassword) {
    const std::pair<std::string, std::string> wrong[] = {
        {"http://:secret@localhost", "redis+sentinel://"},
        {"rediss://:secret@localhost", "stunnel"},
        {"redis://:secret@", "redis://[user:password@]host"},
        {"redis://secret@localhost", "redis://[user:password@]host"},
        {"redis://:secret%zz@localhost", "percent-encoded"},
        {"redis://:secret@localhost/x", "the database is not a number"},
        {"redis://:secret@a,b", "a cluster or Sentinels"},
        {"redis+cluster://:secret@a/1", "no database but 0"},
        {"redis+sentinel://:secret@a", "the master's name is missing"},
        {"unix://:secret@redis.sock", "the path does not begin with '/'"},
        {"unix://:secret@/redis.sock?x=1", "no parameter but db"},
    };
    for (const auto& [text, part] : wrong) {
        const auto url = parse_redis_url(text);
        ASSERT_FALSE(url.has_value()) << text;
        EXPECT_NE(url.error().find(part), std::string::npos) << url.error();
        EXPECT_NE(url.error().find("write "), std::string::npos) << url.error();
        EXPECT_EQ(url.error().find("secret"), std::string::npos) << url.error();
    }
}

} // namespace
} // namespace npcchat
