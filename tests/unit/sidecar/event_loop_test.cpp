#include "io/event_loop.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

void add(ShortWaits& waits, bool was_short, int times) {
    for (int i = 0; i < times; ++i)
        waits.add(was_short);
}

TEST(ShortWaits, AreNotExpectedAtFirst) {
    EXPECT_FALSE(ShortWaits().are_frequent());
}

TEST(ShortWaits, AreExpectedAfterAFewAndNoMoreAfterAFewLongOnes) {
    ShortWaits waits;
    add(waits, true, 20);
    EXPECT_TRUE(waits.are_frequent());
    add(waits, false, 1);
    EXPECT_TRUE(waits.are_frequent());
    add(waits, false, 20);
    EXPECT_FALSE(waits.are_frequent());
}

TEST(ShortWaits, AreFrequentWhereEverySecondOneIs) {
    ShortWaits waits;
    for (int i = 0; i < 100; ++i)
        waits.add(i % 2 == 0);
    EXPECT_TRUE(waits.are_frequent());
    for (int i = 0; i < 100; ++i)
        waits.add(i % 4 == 0);
    EXPECT_FALSE(waits.are_frequent());
}

TEST(EventLoop, EndsWhenNothingIsLeft) {
    asio::io_context context;
    int done = 0;
    asio::post(context, [&] {
        ++done;
        asio::post(context, [&] { ++done; });
    });
    run_event_loop(context);
    EXPECT_EQ(done, 2);
}

TEST(EventLoop, RunsWhatComesAfterShortAndAfterLongWaits) {
    asio::io_context context;
    Timer timer(context.get_executor());
    int left = 60;
    std::function<void()> wait = [&] {
        if (--left == 0) return;
        timer.expires_after(std::chrono::microseconds(left % 20 == 0 ? 5000 : 20));
        timer.async_wait([&](boost::system::error_code) { wait(); });
    };
    asio::post(context, wait);
    run_event_loop(context);
    EXPECT_EQ(left, 0);
}

TEST(EventLoop, EndsWhenItIsStopped) {
    asio::io_context context;
    const auto work = asio::make_work_guard(context);
    Timer timer(context.get_executor(), std::chrono::milliseconds(1));
    timer.async_wait([&](boost::system::error_code) { context.stop(); });
    run_event_loop(context);
    EXPECT_TRUE(context.stopped());
}

} // namespace
} // namespace npcchat
