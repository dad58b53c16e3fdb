// Coroutines of the sidecar: every Task runs on one event loop, from its first line to its last.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <utility>

namespace npcchat {

namespace asio = boost::asio;

// The concrete executor spares the type erasure of asio's defaults on every suspension.
using Executor = asio::io_context::executor_type;
template <class T> using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_task{};

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Clock = std::chrono::steady_clock;

// What wakes a coroutine that `suspend` put to sleep. To be called once, on the coroutine's own loop, and
// never from within the function that was given to `suspend`. Destroying it uncalled ends the coroutine.
template <class T> using Resume = std::move_only_function<void(T)>;

template <class T, class Start> Task<T> suspend(Start start) {
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(T)>(
        [](auto handler, Start begin) { begin(Resume<T>(std::move(handler))); }, use_task, std::move(start));
}

// An exception that ends a detached coroutine is a bug of ours: it must be seen, and not end the process.
void report_exception(const char* where, std::exception_ptr error);

template <class F> void spawn(Executor executor, const char* where, F function) {
    asio::co_spawn(executor, std::move(function),
                   [where](std::exception_ptr error) { report_exception(where, error); });
}

} // namespace npcchat
