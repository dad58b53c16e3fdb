#include "identity.hpp"

#include <gtest/gtest.h>

#include <string>

namespace npcchat {
namespace {

TEST(Identity, ReadsALookupsAnswer) {
    auto bob = parse_identity("7:bob@x.org", "user", "rpm=60;burst=9");
    ASSERT_TRUE(bob);
    EXPECT_EQ(bob->id, 7);
    EXPECT_EQ(bob->role, Role::user);
    EXPECT_EQ(bob->name, "bob@x.org");
    EXPECT_EQ(bob->plan, "rpm=60;burst=9");

    auto admin = parse_identity("0:admin", "admin", "");
    ASSERT_TRUE(admin);
    EXPECT_EQ(admin->role, Role::admin);
    EXPECT_EQ(role_name(admin->role), "admin");

    EXPECT_TRUE(parse_identity("9223372036854775807:%C3%A9", "user", ""));
}

TEST(Identity, RefusesWhatIsMalformed) {
    struct {
        std::string user, role, plan;
    } cases[] = {{"", "user", ""},
                 {"7", "user", ""},
                 {":bob", "user", ""},
                 {"7:", "user", ""},
                 {"x:bob", "user", ""},
                 {"-7:bob", "user", ""},
                 {"7:bob:c", "user", ""},
                 {"7:b b", "user", ""},
                 {"7:bob", "", ""},
                 {"7:bob", "root", ""},
                 {"7:bob", "User", ""},
                 {"7:bob", "user", "a b"},
                 {"7:bo\n", "user", ""},
                 {"7:b/b", "user", ""},
                 {"7:bob", "user", "a\n"},
                 {"7:\xC3\xA9", "user", ""},
                 {"9223372036854775808:bob", "user", ""},
                 {"99999999999999999999:bob", "user", ""},
                 {"7:" + std::string(protocol::name_max + 1, 'x'), "user", ""},
                 {"7:bob", "user", std::string(protocol::plan_max + 1, 'x')}};
    for (const auto& c : cases)
        EXPECT_FALSE(parse_identity(c.user, c.role, c.plan)) << c.user << c.role << c.plan;
}

} // namespace
} // namespace npcchat
