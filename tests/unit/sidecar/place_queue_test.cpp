#include "model/place_queue.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace npcchat {
namespace {

TEST(PlaceQueue, WakesInTheOrderOfComing) {
    PlaceQueue queue;
    std::vector<int> woken;
    for (int i = 0; i < 3; ++i)
        queue.enter([&woken, i] { woken.push_back(i); });
    EXPECT_EQ(queue.size(), 3U);
    queue.wake_one();
    EXPECT_EQ(woken, std::vector<int>{0});
    queue.wake_one();
    queue.wake_one();
    EXPECT_EQ(woken, (std::vector<int>{0, 1, 2}));
    queue.wake_one(); // nobody is left
    EXPECT_EQ(woken.size(), 3U);
    EXPECT_EQ(queue.size(), 0U);
}

TEST(PlaceQueue, WhoLeftIsNotWoken) {
    PlaceQueue queue;
    std::vector<int> woken;
    const auto first = queue.enter([&woken] { woken.push_back(1); });
    queue.enter([&woken] { woken.push_back(2); });
    EXPECT_TRUE(queue.leave(first));
    EXPECT_FALSE(queue.leave(first));
    queue.wake_one();
    EXPECT_EQ(woken, std::vector<int>{2});
}

TEST(PlaceQueue, WhoWasWokenHasLeft) {
    PlaceQueue queue;
    const auto ticket = queue.enter([] {});
    queue.wake_one();
    EXPECT_FALSE(queue.leave(ticket));
}

TEST(PlaceQueue, WhoIsWokenMayComeAgain) {
    PlaceQueue queue;
    queue.enter([&queue] { queue.enter([] {}); });
    queue.wake_one();
    EXPECT_EQ(queue.size(), 1U);
}

} // namespace
} // namespace npcchat
