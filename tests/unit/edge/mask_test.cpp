#include "mask.hpp"

#include <gtest/gtest.h>

#include <string>

namespace npcchat {
namespace {

std::string masked(std::string_view text, std::size_t room = std::string::npos) {
    std::string out(text.size(), '\0');
    out.resize(mask_keys(text, out.data(), std::min(room, out.size())));
    return out;
}

std::string user_of(std::string_view path) {
    auto user = find_history_user(path);
    return user ? std::string(path.substr(user->begin, user->size)) : "(none)";
}

const std::string key = "npc_" + std::string(41, 'A') + "-_";

TEST(HistoryUser, IsFoundWithOrWithoutASlash) {
    EXPECT_EQ(user_of("/chat/bob/c1/history"), "bob");
    EXPECT_EQ(user_of("/chat/bob/c1/history/"), "bob");
    EXPECT_EQ(user_of("/chat/b o b/c1/history"), "b o b");
    EXPECT_EQ(user_of("/chat/history/history/history"), "history");
    EXPECT_TRUE(find_history_user("/chat/bob/c1/history")->single);
}

TEST(HistoryUser, MoreSegmentsAreHiddenToo) {
    EXPECT_EQ(user_of("/chat/a/b/c/c1/history"), "a/b/c");
    EXPECT_FALSE(find_history_user("/chat/a/b/c1/history")->single);
    EXPECT_EQ(user_of("/chat//bob/c1/history"), "/bob");
}

TEST(HistoryUser, OtherRoutesHaveNone) {
    for (std::string_view path :
         {"", "/", "/chat", "/chat/", "/chat/history", "/chat/c1/history", "/chat/c1/history/",
          "/chat/bob/c1/histor", "/chat/bob/c1/history/x", "/x/chat/bob/c1/history", "/chats/bob/c1/history",
          "/chat//c1/history", "/chat/bob/c1history", "/chat/history/"}) {
        EXPECT_EQ(user_of(path), "(none)") << path;
    }
}

TEST(MaskKeys, HidesBothKindsOfKeys) {
    EXPECT_EQ(masked("/x/" + key + "/y"), "/x/npc_*/y");
    EXPECT_EQ(masked("/x/token8438316761499410150/y"), "/x/token*/y");
    EXPECT_EQ(masked("a" + key), "anpc_*");
    EXPECT_EQ(masked(key + "more"), "npc_*");
    EXPECT_EQ(masked(key + "/" + key + "/token1token2"), "npc_*/npc_*/token*token*");
}

TEST(MaskKeys, LeavesTheRest) {
    for (std::string_view text : {"", "/", "/npcs/", "/create_npc/", "/chat_npc/npc_guard_1", "/token",
                                  "/tokens/12", "/npc_", "/tokenx1"}) {
        EXPECT_EQ(masked(text), text);
        EXPECT_FALSE(has_key_like(text)) << text;
    }
    EXPECT_EQ(masked(key.substr(0, 46)), key.substr(0, 46));
    EXPECT_TRUE(has_key_like("/x/" + key));
}

TEST(MaskKeys, NeverWritesPastItsRoom) {
    std::string text = "/x/" + key + "/token99/" + key;
    std::string whole = masked(text);
    for (std::size_t room = 0; room <= text.size(); ++room) {
        EXPECT_EQ(masked(text, room), whole.substr(0, room));
    }
}

} // namespace
} // namespace npcchat
