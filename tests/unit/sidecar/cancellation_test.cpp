#include "io/cancellation.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <optional>

namespace npcchat {
namespace {

TEST(Cancellation, CallsWhoWatchesOnce) {
    Cancellation cancellation;
    int calls = 0;
    Cancellation::Watch watch(cancellation, [&calls] { ++calls; });
    EXPECT_FALSE(cancellation.requested());
    cancellation.request();
    cancellation.request();
    EXPECT_TRUE(cancellation.requested());
    EXPECT_EQ(calls, 1);
}

TEST(Cancellation, DoesNotCallWhoWatchesNoMore) {
    Cancellation cancellation;
    int calls = 0;
    {
        const Cancellation::Watch watch(cancellation, [&calls] { ++calls; });
    }
    cancellation.request();
    EXPECT_EQ(calls, 0);
}

TEST(Cancellation, AWatchMayEndWhileItIsCalled) {
    Cancellation cancellation;
    std::optional<Cancellation::Watch> watch;
    const auto kept = std::make_shared<int>(7);
    int seen = 0;
    watch.emplace(cancellation, [&watch, &seen, kept] {
        watch.reset();
        seen = *kept;
    });
    cancellation.request();
    EXPECT_EQ(seen, 7);
    EXPECT_FALSE(watch.has_value());
}

} // namespace
} // namespace npcchat
