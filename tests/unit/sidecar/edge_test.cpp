#include "http/edge.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

TEST(Edge, ReadsIdentities) {
    const auto user = parse_identity("42:Aela", "user");
    ASSERT_TRUE(user.has_value());
    EXPECT_EQ(user->id, 42);
    EXPECT_EQ(user->name, "Aela");
    EXPECT_FALSE(user->is_admin);
    const auto admin = parse_identity("0:admin", "admin");
    ASSERT_TRUE(admin.has_value());
    EXPECT_EQ(admin->id, kAdminId);
    EXPECT_TRUE(admin->is_admin);
}

TEST(Edge, OnlyTheAdminsRoleIsTheAdmins) {
    for (const auto& role : {""s, "user"s, "Admin"s, "admin "s, "root"s, "admin\0"s}) {
        const auto identity = parse_identity("1:a", role);
        EXPECT_FALSE(identity && identity->is_admin) << role;
    }
}

TEST(Edge, RefusesMalformedIdentities) {
    for (const auto& text :
         {""s, ":"s, ":Aela"s, "42"s, "42Aela"s, "42 :Aela"s, " 42:Aela"s, "+42:Aela"s, "x:Aela"s, "4x:Aela"s,
          "0x4:Aela"s, "42:%"s, "42:%zz"s, "42:a%4"s, "9223372036854775808:a"s, "99999999999999999999999:a"s})
        EXPECT_FALSE(parse_identity(text, "user").has_value()) << text;
    EXPECT_FALSE(parse_identity({}, {}).has_value());
}

TEST(Edge, IdentitiesComeBackAsTheyWere) {
    for (const auto& name : {"Aela"s, "J\u00f6rg M\u00fcller"s, "\u9f8d"s, "a:b;c,d%41+e~f"s,
                             "tab\tnew\r\nline"s, "Aela.the_Huntress-7@skyrim"s, "\U0001F600"s}) {
        for (const UserId id : {UserId{0}, UserId{1}, INT64_MAX}) {
            const std::string value = identity_value(User{id, name, "", 0});
            for (const char c : value)
                EXPECT_TRUE(c > 0x20 && c < 0x7F) << value;
            const auto identity = parse_identity(value, "user");
            ASSERT_TRUE(identity.has_value()) << value;
            EXPECT_EQ(identity->id, id);
            EXPECT_EQ(identity->name, name);
        }
    }
}

TEST(Edge, TellsTheLogWhatIsKnown) {
    EXPECT_EQ(log_value({}), "");
    EXPECT_EQ(log_value({.chat = "c-1"}), "chat=c-1");
    EXPECT_EQ(log_value({"n", "c", "org/m", 0, 34}), "npc=n;chat=c;model=org/m;in=0;out=34");
}

TEST(Edge, NothingInAValueEndsTheHeader) {
    EXPECT_EQ(log_value({.npc = "a;b %\r\n\x7f\xc3\xa9"}), "npc=a%3Bb%20%25%0D%0A%7F%C3%A9");
}

TEST(Edge, ReadsCounts) {
    const auto counts = parse_edge_counts("total=15;2xx=1;3xx=2;4xx=3;5xx=9");
    ASSERT_TRUE(counts.has_value());
    EXPECT_EQ(counts->total, 15);
    EXPECT_EQ(counts->by_class[2], 1);
    EXPECT_EQ(counts->by_class[3], 2);
    EXPECT_EQ(counts->by_class[4], 3);
    EXPECT_EQ(counts->by_class[5], 9);
    EXPECT_EQ(counts->by_class[1], 0);
}

TEST(Edge, CountsMayBeMoreOrFewer) {
    const auto counts = parse_edge_counts("new=7;total=5000000000;");
    ASSERT_TRUE(counts.has_value());
    EXPECT_EQ(counts->total, 5'000'000'000);
    EXPECT_EQ(counts->by_class[4], 0);
    EXPECT_TRUE(parse_edge_counts("9xx=4;total=0").has_value());
}

TEST(Edge, NoCountsWithoutATotal) {
    for (const auto& text : {""s, "2xx=1"s, "total"s, "total;2xx=1"s, "garbage"s, ";"s, "=;"s})
        EXPECT_FALSE(parse_edge_counts(text).has_value()) << text;
}

} // namespace
} // namespace npcchat
