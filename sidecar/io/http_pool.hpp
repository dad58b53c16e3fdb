// Connections to one server between requests, the last used first.
#pragma once

#include "io/http_connection.hpp"

#include <deque>
#include <memory>

namespace npcchat {

class HttpPool final : public HttpConnection::User {
  public:
    HttpPool() = default;
    ~HttpPool();
    HttpPool(const HttpPool&) = delete;
    HttpPool& operator=(const HttpPool&) = delete;

    void put(std::shared_ptr<HttpConnection> connection);
    std::shared_ptr<HttpConnection> take(); // null where there is none

    // Closes those that nobody has used for two minutes: firewalls forget them in silence.
    void close_old(Clock::time_point now);

    // The server has closed it, or said something that nobody asked for.
    void on_readable(HttpConnection& connection) override;
    void on_writable(HttpConnection&) override {}

  private:
    struct Idle {
        std::shared_ptr<HttpConnection> connection;
        Clock::time_point since;
    };
    std::deque<Idle> idle_; // the longest first
};

} // namespace npcchat
