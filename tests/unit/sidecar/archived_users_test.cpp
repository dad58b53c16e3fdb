#include "session/archived_users.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

const Clock::time_point kNow{1h};

TEST(ArchivedUsers, NoneIsBelievedForAsLongAsChatsLinger) {
    ArchivedUsers users(30s);
    EXPECT_EQ(users.any(1, kNow), std::nullopt);
    users.remember(1, false, kNow);
    EXPECT_EQ(users.any(1, kNow + 30s - 1ns), false);
    EXPECT_EQ(users.any(1, kNow + 30s), std::nullopt);
    EXPECT_EQ(users.any(2, kNow), std::nullopt);
}

TEST(ArchivedUsers, SomeIsBelievedForLonger) {
    ArchivedUsers users(30s);
    users.remember(1, false, kNow);
    users.remember(1, true, kNow + 1s);
    EXPECT_EQ(users.any(1, kNow + 1min), true);
    EXPECT_EQ(users.any(1, kNow + 1s + ArchivedUsers::kPresentFor), std::nullopt);
}

TEST(ArchivedUsers, ManyUsersAreNotRememberedForever) {
    ArchivedUsers users(1s);
    constexpr auto kMany = static_cast<UserId>(ArchivedUsers::kMaxUsers);
    for (UserId user = 0; user < kMany; ++user)
        users.remember(user, user == 7, kNow);
    users.remember(kMany, false, kNow + 1s);
    EXPECT_EQ(users.any(7, kNow + 1s), true) << "only what has ended goes";
    EXPECT_EQ(users.any(kMany, kNow + 1s), false);
    for (UserId user = 0; user < 2 * kMany; ++user)
        users.remember(user, true, kNow + 1s);
    EXPECT_EQ(users.any(2 * kMany - 1, kNow + 1s), true);
    EXPECT_EQ(users.any(0, kNow + 1s), std::nullopt);
}

} // namespace
} // namespace npcchat
