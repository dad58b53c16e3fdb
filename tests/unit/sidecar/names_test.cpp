#include "account/names.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

TEST(Names, AcceptsUserNames) {
    for (const auto& name : {"a"s, "Aela.the_Huntress-7@skyrim"s, std::string(64, 'x'), "admin"s, "token"s,
                             "token12a"s, "mytoken12"s, "npc"s, "npc-1"s, "0"s}) {
        EXPECT_TRUE(check_user_name(name).has_value()) << name;
    }
}

TEST(Names, RefusesOthers) {
    for (const auto& name : {""s, std::string(65, 'x'), "a b"s, "a/b"s, "é"s, "a\0"s, "a\n"s, "npc_"s,
                             "npc_abc"s, "NPC_abc"s, "token1"s, "Token8438316761499410150"s}) {
        const auto checked = check_user_name(name);
        ASSERT_FALSE(checked.has_value()) << name;
        EXPECT_TRUE(checked.error().starts_with("username: ")) << checked.error();
    }
}

TEST(Names, FoldsAsciiOnly) {
    EXPECT_EQ(fold_name("Aela@Z[É"), "aela@z[É");
}

TEST(Names, ChecksPasswords) {
    EXPECT_TRUE(check_password("12345678").has_value());
    EXPECT_TRUE(check_password(std::string(256, 'x')).has_value());
    EXPECT_TRUE(check_password("pässw0r").has_value());
    EXPECT_FALSE(check_password("pässw0").has_value()); // bytes count, not characters: 7
    EXPECT_FALSE(check_password("1234567").has_value());
    EXPECT_FALSE(check_password(std::string(257, 'x')).has_value());
    EXPECT_FALSE(check_password("12345678\0"s).has_value());
}

TEST(Names, ChecksChatIds) {
    EXPECT_TRUE(is_chat_id("a"));
    EXPECT_TRUE(is_chat_id("Save_1-B"));
    EXPECT_TRUE(is_chat_id(std::string(64, '-')));
    for (const auto& id : {""s, std::string(65, 'a'), "a.b"s, "a b"s, "a@b"s, "é"s, "a\0"s}) {
        EXPECT_FALSE(is_chat_id(id)) << id;
    }
}

TEST(Names, ChecksUuids) {
    EXPECT_TRUE(is_uuid4("f47ac10b-58cc-4372-a567-0e02b2c3d479"));
    EXPECT_TRUE(is_uuid4("F47AC10B-58CC-4372-B567-0E02B2C3D479"));
    for (const auto& id :
         {""s, "f47ac10b-58cc-1372-a567-0e02b2c3d479"s, "f47ac10b-58cc-4372-c567-0e02b2c3d479"s,
          "f47ac10b58cc-4372-a567-0e02b2c3d479"s, "f47ac10b-58cc-4372-a567-0e02b2c3d47g"s,
          "f47ac10b-58cc-4372-a567-0e02b2c3d4790"s, "f47ac10b-58cc-4372-a567_0e02b2c3d479"s}) {
        EXPECT_FALSE(is_uuid4(id)) << id;
    }
}

} // namespace
} // namespace npcchat
