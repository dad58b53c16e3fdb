// One thread beside the event loops, for what would block them: password hashes, SQLite, connecting to
// PostgreSQL (which resolves names).
#pragma once

#include "base/error.hpp"
#include "io/task.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace npcchat {

// What somebody waits for, and what can wait: while there is work of the first kind, of the second only one
// job in 50 ms is begun.
enum class Lane { foreground, background };

class Worker {
  public:
    // Jobs beyond `max_queued` waiting ones are refused, in each lane.
    explicit Worker(std::size_t max_queued);
    ~Worker() { stop(); }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Runs what is queued, then ends the thread; what comes later is refused. Results go to the executors of
    // those who wait for them, so that these must live until then.
    void stop();

    // Runs `job` on the thread and gives back what it returns. 503 where the queue is full, or where `limit`
    // has passed: a job that has not begun by then never begins; one that has begun ends by itself, unheard.
    // `job` owns what it uses: it may outlive the caller.
    template <class Job>
    auto run(Executor executor, Clock::duration limit, Job job, Lane lane = Lane::foreground)
        -> Task<Result<std::invoke_result_t<Job&>>>;

    // The same for work that nobody waits for. False where it is refused.
    using Work = std::move_only_function<void()>;
    bool post(Work work, Lane lane = Lane::foreground);

  private:
    Work next();
    void work_loop();

    const std::size_t max_queued_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Work> foreground_;
    std::deque<Work> background_;
    Clock::time_point background_ran_{};
    bool stopping_ = false;
    std::thread thread_;
};

template <class Job>
auto Worker::run(Executor executor, Clock::duration limit, Job job, Lane lane)
    -> Task<Result<std::invoke_result_t<Job&>>> {
    using Value = std::invoke_result_t<Job&>;
    // Shared by the loop and the thread: only the loop touches `resume` and `timer`.
    struct Pending {
        Pending(Executor executor, Job job) : timer(executor), job(std::move(job)) {}
        void finish(Result<Value> value) {
            if (!resume) return;
            timer.cancel();
            std::exchange(resume, nullptr)(std::move(value));
        }
        Timer timer;
        Job job;
        Resume<Result<Value>> resume;
        std::atomic<bool> expired = false;
    };
    // Nor does the coroutine keep it, which `resume` keeps.
    auto start = [this, executor, limit, lane, pending = std::make_shared<Pending>(executor, std::move(job))](
                     Resume<Result<Value>> resume) {
        pending->resume = std::move(resume);
        auto work = [executor, pending]() mutable {
            if (pending->expired) return;
            auto value = std::make_shared<Value>(pending->job());
            asio::post(executor,
                       [pending = std::move(pending), value] { pending->finish(std::move(*value)); });
        };
        const bool queued = post(std::move(work), lane);
        if (!queued) {
            asio::post(executor,
                       [pending] { pending->finish(fail(503, "The service is busy, try again", 1)); });
            return;
        }
        pending->timer.expires_after(limit);
        pending->timer.async_wait([pending](boost::system::error_code error) {
            if (error) return;
            pending->expired = true;
            pending->finish(store_unavailable());
        });
    };
    co_return co_await suspend<Result<Value>>(std::move(start));
}

} // namespace npcchat
