#include "base/ids.hpp"

#include "account/names.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace npcchat {
namespace {

bool is_url_safe(std::string_view text) {
    return std::ranges::all_of(text, [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    });
}

TEST(Ids, TokensAreBase64UrlOfTheirBytes) {
    for (const auto& [bytes, characters] :
         {std::pair{0U, 0U}, {1U, 2U}, {2U, 3U}, {3U, 4U}, {12U, 16U}, {32U, 43U}}) {
        const std::string token = random_token(bytes);
        EXPECT_EQ(token.size(), characters);
        EXPECT_TRUE(is_url_safe(token)) << token;
    }
}

TEST(Ids, TokensUseTheWholeAlphabet) {
    const std::string token = random_token(30'000);
    EXPECT_EQ(std::set<char>(token.begin(), token.end()).size(), 64U);
}

TEST(Ids, HaveTheirForms) {
    std::set<std::string> seen;
    for (int round = 0; round < 100; ++round) {
        const std::string key = new_api_key();
        EXPECT_TRUE(key.starts_with("npc_") && key.size() == 47 && is_url_safe(key.substr(4))) << key;
        EXPECT_FALSE(check_user_name(key).has_value());
        const std::string chat_id = new_chat_id();
        EXPECT_TRUE(is_chat_id(chat_id) && chat_id.size() == 22) << chat_id;
        const std::string uuid = new_uuid4();
        EXPECT_TRUE(is_uuid4(uuid) && fold_name(uuid) == uuid) << uuid;
        for (const auto& id : {key, chat_id, uuid})
            EXPECT_TRUE(seen.insert(id).second) << id;
    }
}

// FIPS 180-4's examples, as NIST publishes them.
TEST(Ids, HashesWithSha256) {
    EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    EXPECT_EQ(sha256_hex("admin"), "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918");
}

TEST(Ids, ComparesSecrets) {
    EXPECT_TRUE(equal_constant_time("", ""));
    EXPECT_TRUE(equal_constant_time("secret", std::string("sec") + "ret"));
    EXPECT_FALSE(equal_constant_time("secret", "secreT"));
    EXPECT_FALSE(equal_constant_time("Secret", "secret"));
    EXPECT_FALSE(equal_constant_time("secret", "secre"));
    EXPECT_FALSE(equal_constant_time("", "s"));
    EXPECT_FALSE(equal_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

} // namespace
} // namespace npcchat
