#include "io/http_pool.hpp"

#include <algorithm>
#include <array>

namespace npcchat {
namespace {

constexpr std::size_t kMaxIdle = 2048;
constexpr auto kMaxAge = std::chrono::minutes(2);

} // namespace

HttpPool::~HttpPool() {
    for (const Idle& idle : idle_)
        idle.connection->close();
}

void HttpPool::put(std::shared_ptr<HttpConnection> connection) {
    if (idle_.size() == kMaxIdle) {
        idle_.front().connection->close();
        idle_.pop_front();
    }
    connection->belongs_to(this);
    connection->watch_readable();
    idle_.push_back({std::move(connection), Clock::now()});
}

std::shared_ptr<HttpConnection> HttpPool::take() {
    if (idle_.empty()) return nullptr;
    auto taken = std::move(idle_.back().connection);
    idle_.pop_back();
    return taken;
}

void HttpPool::close_old(Clock::time_point now) {
    while (!idle_.empty() && idle_.front().since + kMaxAge <= now) {
        idle_.front().connection->close();
        idle_.pop_front();
    }
}

void HttpPool::on_readable(HttpConnection& connection) {
    // TLS has news of its own, a session's ticket for one.
    std::array<char, 1> byte;
    const auto received = connection.receive(byte);
    if (!received && received.error() == HttpConnection::Nothing::yet) return connection.watch_readable();
    const auto found =
        std::ranges::find(idle_, &connection, [](const Idle& idle) { return idle.connection.get(); });
    connection.close();
    idle_.erase(found);
}

} // namespace npcchat
