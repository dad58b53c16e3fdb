// HTTP/1.1 for one event loop: reads requests, has them handled, writes answers.
#pragma once

#include "http/message.hpp"
#include "http/router.hpp"
#include "services.hpp"

#include <atomic>
#include <list>
#include <memory>
#include <span>

namespace npcchat {

class Server {
  public:
    Server(Executor executor, Services& services);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Takes over a connected socket; `routes` outlive the server. On this loop only.
    void adopt(int fd, int family, std::span<const Route> routes);

    // Ends idle connections now, and the others after their answer. On this loop only.
    void drain();

    // Connections that are still answering. On any thread.
    std::size_t busy() const { return busy_.load(std::memory_order_relaxed); }

  private:
    class Connection;

    Task<void> sweep();
    void notice_leaving();
    Task<void> serve(std::shared_ptr<Connection> connection);
    Task<Response> answer(std::span<const Route> routes, Request& request);

    Executor executor_;
    Services& services_;
    std::list<Connection*> connections_;
    std::atomic<std::size_t> busy_ = 0;
    bool draining_ = false;
    Timer sweep_timer_;
};

// Index of a route in the metrics: its place in the table of public routes, or the last index.
std::size_t metrics_index(const Route* route);

} // namespace npcchat
