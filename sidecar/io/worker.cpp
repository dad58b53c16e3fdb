#include "io/worker.hpp"

namespace npcchat {
namespace {

constexpr auto kBackgroundEvery = std::chrono::milliseconds(50);

} // namespace

Worker::Worker(std::size_t max_queued) : max_queued_(max_queued), thread_([this] { work_loop(); }) {}

void Worker::stop() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

bool Worker::post(Work work, Lane lane) {
    {
        const std::lock_guard lock(mutex_);
        auto& queue = lane == Lane::foreground ? foreground_ : background_;
        if (stopping_ || queue.size() >= max_queued_) return false;
        queue.push_back(std::move(work));
    }
    wake_.notify_one();
    return true;
}

// With the lock held, and something to do.
Worker::Work Worker::next() {
    const bool is_due = !background_.empty() && Clock::now() >= background_ran_ + kBackgroundEvery;
    auto& queue = foreground_.empty() || is_due ? background_ : foreground_;
    if (&queue == &background_) background_ran_ = Clock::now();
    Work work = std::move(queue.front());
    queue.pop_front();
    return work;
}

void Worker::work_loop() {
    for (;;) {
        Work work;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !foreground_.empty() || !background_.empty(); });
            if (foreground_.empty() && background_.empty()) return;
            work = next();
        }
        work();
    }
}

} // namespace npcchat
