#include "io/worker.hpp"

namespace npcchat {

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

bool Worker::enqueue(Work work) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || queue_.size() >= max_queued_) return false;
        queue_.push_back(std::move(work));
    }
    wake_.notify_one();
    return true;
}

void Worker::work_loop() {
    for (;;) {
        Work work;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) return;
            work = std::move(queue_.front());
            queue_.pop_front();
        }
        work();
    }
}

} // namespace npcchat
