#include "db/postgres_listener.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>

namespace npcchat::db {
namespace {

using namespace std::chrono_literals;

constexpr auto kConnectLimit = 5s;
constexpr Clock::duration kFirstBackoff = 50ms;
constexpr Clock::duration kMaxBackoff = 1s;
// A connection that says nothing is asked whether it is still there.
constexpr Clock::duration kAskAfter = 10s;
constexpr Clock::duration kAnswerLimit = 5s;

struct NotifyFree {
    void operator()(PGnotify* notice) const { PQfreemem(notice); }
};

std::expected<PgHandle, std::string> open_listening(const std::string& url, const std::string& channel) {
    auto handle = open_postgres(url);
    if (!handle) return handle;
    const PgResult done(PQexec(handle->get(), ("LISTEN " + channel).c_str()));
    if (PQresultStatus(done.get()) != PGRES_COMMAND_OK)
        return std::unexpected(std::string(PQerrorMessage(handle->get())));
    PQsetnonblocking(handle->get(), 1);
    return handle;
}

} // namespace

struct PostgresListener::Listening {
    using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

    Listening(Executor executor, PgHandle opened)
        : handle(std::move(opened)), socket(executor, PQsocket(handle.get())), timer(executor) {}
    ~Listening() { socket.release(); } // libpq closes it

    PgHandle handle;
    Descriptor socket;
    Timer timer;
    bool expired = false;
};

PostgresListener::PostgresListener(Executor executor, std::string url, Worker& connector, std::string channel)
    : executor_(executor), url_(std::move(url)), connector_(connector), channel_(std::move(channel)) {}

Task<void> PostgresListener::run(std::function<void()> connected,
                                 std::function<void(std::string_view)> heard) {
    Clock::duration backoff = kFirstBackoff;
    Timer pause(executor_);
    for (;;) {
        auto opened = co_await connector_.run(executor_, kConnectLimit, [url = url_, channel = channel_] {
            return open_listening(url, channel);
        });
        if (opened && *opened) {
            backoff = kFirstBackoff;
            connected();
            co_await listen(std::make_shared<Listening>(executor_, std::move(**opened)), heard);
            log(Level::warning, "PostgreSQL does not notify any more: connecting anew");
        }
        pause.expires_after(backoff);
        co_await pause.async_wait(use_task);
        backoff = std::min(backoff * 2, kMaxBackoff);
    }
}

// Until the connection ends.
Task<void> PostgresListener::listen(std::shared_ptr<Listening> listening,
                                    const std::function<void(std::string_view)>& heard) {
    PGconn* connection = listening->handle.get();
    bool asked = false;
    for (;;) {
        if (PQconsumeInput(connection) != 1) co_return;
        while (const std::unique_ptr<PGnotify, NotifyFree> notice{PQnotifies(connection)})
            heard(notice->extra);
        while (asked && !PQisBusy(connection)) {
            const PgResult answer(PQgetResult(connection));
            if (!answer) asked = false;
        }
        listening->expired = false;
        listening->timer.expires_after(asked ? kAnswerLimit : kAskAfter);
        listening->timer.async_wait([kept = std::weak_ptr(listening)](boost::system::error_code error) {
            const auto waiting = kept.lock();
            if (error || !waiting) return;
            waiting->expired = true;
            waiting->socket.cancel(error);
        });
        boost::system::error_code error;
        co_await listening->socket.async_wait(Listening::Descriptor::wait_read,
                                              asio::redirect_error(use_task, error));
        listening->timer.cancel();
        if (!listening->expired) {
            if (error) co_return;
            continue;
        }
        // A query of some bytes never fills the socket's buffer.
        if (asked || PQsendQuery(connection, "SELECT 1") != 1 || PQflush(connection) != 0) co_return;
        asked = true;
    }
}

} // namespace npcchat::db
