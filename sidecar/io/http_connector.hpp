// Makes connections to HTTP servers by libcurl, for one event loop.
#pragma once

#include "io/curl_sockets.hpp"
#include "io/http_connection.hpp"

#include <chrono>
#include <curl/curl.h>
#include <expected>
#include <memory>
#include <unordered_map>

namespace npcchat {

struct CurlMultiCleanup {
    void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

class HttpConnector {
  public:
    using Connected = std::expected<std::shared_ptr<HttpConnection>, CURLcode>;
    using Done = std::move_only_function<void(Connected)>; // called on the loop

    explicit HttpConnector(Executor executor);
    ~HttpConnector(); // all connections must be closed before; those on their way end here, and `done` is not
                      // called
    HttpConnector(const HttpConnector&) = delete;
    HttpConnector& operator=(const HttpConnector&) = delete;

    // `url` must stay until then. Never done before this returns.
    void connect(CURLU* url, bool is_tls, std::chrono::milliseconds limit, Done done);

  private:
    struct Pending {
        CurlEasy easy;
        bool is_plain;
        Done done;
    };

    static int on_timer(CURLM* multi, long timeout_ms, void* self);
    void act(curl_socket_t fd, int events);
    void collect();
    void wake_soon();
    void arm_timer();

    Executor executor_;
    std::unique_ptr<CURLM, CurlMultiCleanup> multi_;
    CurlSockets sockets_;
    Timer timer_;
    // libcurl moves its next time-out with every connection, mostly further away: the timer is armed for the
    // earliest that was wanted, and looks again when it fires.
    Clock::time_point wanted_at_ = Clock::time_point::max();
    Clock::time_point armed_for_ = Clock::time_point::max();
    bool waking_soon_ = false;
    std::unordered_map<CURL*, Pending> pending_;
};

} // namespace npcchat
