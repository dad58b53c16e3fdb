// The sockets of one of libcurl's multi handles on an event loop.
#pragma once

#include "io/task.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <curl/curl.h>
#include <memory>
#include <unordered_map>

namespace npcchat {

class CurlSockets {
  public:
    // Called with a socket and CURL_CSELECT_* where libcurl wants to know.
    using Act = std::move_only_function<void(curl_socket_t socket, int events)>;

    // Ends after `multi`, whose sockets say goodbye while it ends.
    CurlSockets(Executor executor, CURLM* multi, Act act);
    ~CurlSockets();
    CurlSockets(const CurlSockets&) = delete;
    CurlSockets& operator=(const CurlSockets&) = delete;

  private:
    using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
    struct Socket {
        Socket(Executor executor, curl_socket_t fd) : descriptor(executor, fd), fd(fd) {}
        Descriptor descriptor;
        curl_socket_t fd;
        int wanted = 0; // CURL_POLL_*
        bool reading = false;
        bool writing = false;
    };
    using Sockets = std::unordered_map<curl_socket_t, std::shared_ptr<Socket>>;

    static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
    void watch(const std::shared_ptr<Socket>& socket);

    Executor executor_;
    Act act_;
    Sockets sockets_;
};

} // namespace npcchat
