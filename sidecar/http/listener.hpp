// A listening socket, Unix or TCP.
#pragma once

#include "config/config.hpp"
#include "io/task.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <expected>
#include <functional>
#include <string>

namespace npcchat {

class Listener {
  public:
    // Binds and listens. A Unix socket gets mode 0660, and takes the place of one that nobody listens on any
    // more. The error is for the operator.
    static std::expected<Listener, std::string> open(Executor executor, const ListenAddress& address);

    Listener(Listener&& other) = default;
    ~Listener();

    // `accepted` gets each connected socket, non-blocking, and its address family. Until close().
    void start(std::function<void(int fd, int family)> accepted);
    void close();

  private:
    struct State;
    explicit Listener(std::shared_ptr<State> state) : state_(std::move(state)) {}
    static Task<void> accept_all(std::shared_ptr<State> state, std::function<void(int, int)> accepted);
    std::shared_ptr<State> state_;
};

} // namespace npcchat
