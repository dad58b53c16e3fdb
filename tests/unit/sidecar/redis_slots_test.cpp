#include "io/redis_slots.hpp"

#include "tests/unit/sidecar/redis_replies.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

using namespace testing;

const RedisHost kAsked{"10.0.0.1", "7001"};

std::string node(const std::string& address, int port) {
    return array({bulk(address), number(port), bulk("id"), array({})});
}

TEST(RedisSlot, IsThatOfRedis) {
    EXPECT_EQ(redis_slot("123456789"), 0x31C3); // the check value of CRC-16/XMODEM
    EXPECT_EQ(redis_slot(""), 0);
    EXPECT_EQ(redis_slot("foo"), 12182); // as CLUSTER KEYSLOT says
    EXPECT_EQ(redis_slot("npcchat:{c:1:a}x"), redis_slot("c:1:a"));
}

TEST(RedisSlot, IsOfTheFirstWholeTag) {
    EXPECT_EQ(redis_slot("{user1000}.following"), redis_slot("{user1000}.followers"));
    EXPECT_EQ(redis_slot("foo{{bar}}zap"), redis_slot("{bar"));
    EXPECT_EQ(redis_slot("foo{bar}{zap}"), redis_slot("bar"));
    EXPECT_NE(redis_slot("foo{}{bar}"), redis_slot("bar")); // an empty tag is none
    EXPECT_NE(redis_slot("foo{bar"), redis_slot("bar"));
    EXPECT_NE(redis_slot("foo}{bar"), redis_slot("bar"));
}

TEST(RedisSlotTable, KnowsNobodyAtFirst) {
    const RedisSlotTable table;
    EXPECT_EQ(table.owner(0), RedisSlotTable::kNobody);
    EXPECT_EQ(table.owner(kRedisSlots - 1), RedisSlotTable::kNobody);
    EXPECT_TRUE(table.masters().empty());
}

TEST(RedisSlotTable, ReadsRanges) {
    const auto table = RedisSlotTable::parse(
        parse_reply(array({
            array({number(0), number(99), node("10.0.0.1", 7001), node("10.0.0.4", 7004)}),
            array({number(100), number(16383), node("10.0.0.2", 7002), node("10.0.0.5", 7005)}),
            array({number(50), number(50), node("10.0.0.2", 7002)}),
        })),
        kAsked);
    ASSERT_TRUE(table.has_value());
    ASSERT_EQ(table->masters(), (std::vector<RedisHost>{{"10.0.0.1", "7001"}, {"10.0.0.2", "7002"}}));
    EXPECT_EQ(table->replicas(), (std::vector<RedisHost>{{"10.0.0.4", "7004"}, {"10.0.0.5", "7005"}}));
    EXPECT_EQ(table->owner(0), 0);
    EXPECT_EQ(table->owner(49), 0);
    EXPECT_EQ(table->owner(50), 1);
    EXPECT_EQ(table->owner(99), 0);
    EXPECT_EQ(table->owner(100), 1);
    EXPECT_EQ(table->owner(16383), 1);
}

TEST(RedisSlotTable, LeavesGaps) {
    const auto table = RedisSlotTable::parse(
        parse_reply(array({array({number(10), number(10), node("10.0.0.1", 7001)})})), kAsked);
    ASSERT_TRUE(table.has_value());
    EXPECT_EQ(table->owner(9), RedisSlotTable::kNobody);
    EXPECT_EQ(table->owner(10), 0);
    EXPECT_EQ(table->owner(11), RedisSlotTable::kNobody);
}

TEST(RedisSlotTable, ANodeThatDoesNotKnowItsAddressIsTheOneThatWasAsked) {
    for (const std::string& address : {bulk(""), nil()}) {
        const auto table = RedisSlotTable::parse(
            parse_reply(array({array({number(0), number(1), array({address, number(7009), bulk("id")})})})),
            kAsked);
        ASSERT_TRUE(table.has_value());
        EXPECT_EQ(table->masters().front(), (RedisHost{"10.0.0.1", "7009"}));
    }
}

TEST(RedisSlotTable, RefusesWhatIsNone) {
    const std::string master = node("10.0.0.1", 7001);
    for (const std::string& text :
         {array({}), std::string("-ERR This instance has cluster support disabled\r\n"), bulk("OK"),
          array({number(1)}), array({array({number(0), number(1)})}),
          array({array({number(1), number(0), master})}), array({array({number(0), number(16384), master})}),
          array({array({number(-1), number(1), master})}),
          array({array({number(0), number(1), array({bulk("10.0.0.1")})})}),
          array({array({number(0), number(1), node("10.0.0.1", 0)})}),
          array({array({number(0), number(1), node("10.0.0.1", 65536)})})})
        EXPECT_FALSE(RedisSlotTable::parse(parse_reply(text), kAsked).has_value()) << text;
}

TEST(RedisSlotTable, IsChangedSlotBySlot) {
    RedisSlotTable table;
    table.assign(7, kAsked);
    table.assign(8, {"10.0.0.2", "7002"});
    table.assign(9, kAsked);
    EXPECT_EQ(table.owner(7), 0);
    EXPECT_EQ(table.owner(8), 1);
    EXPECT_EQ(table.owner(9), 0);
    EXPECT_EQ(table.owner(10), RedisSlotTable::kNobody);
    EXPECT_EQ(table.masters().size(), 2U);
    table.assign(7, {"10.0.0.2", "7002"});
    EXPECT_EQ(table.owner(7), 1);
}

} // namespace
} // namespace npcchat
