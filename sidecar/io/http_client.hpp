// HTTP requests to other services, for one event loop, on libcurl.
#pragma once

#include "base/error.hpp"
#include "io/task.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace npcchat {

struct HttpTimeouts {
    std::chrono::milliseconds connect{5'000};
    std::chrono::milliseconds first_byte{60'000};
    std::chrono::milliseconds whole{120'000};
};

struct HttpRequest {
    std::string url;
    std::vector<std::string> headers; // "Name: value"
    std::string body;                 // sent by POST
    HttpTimeouts timeouts;
};

struct HttpResponse {
    int status = 0;
    std::string body;
    int retry_after = 0; // seconds, 0: no such header, or none in seconds
};

enum class HttpFailure { unreachable, timed_out, broken, too_large };

class HttpClient {
  public:
    explicit HttpClient(Executor executor);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // Any status is a response. Follows no redirects; a body of over 16 MiB is a failure.
    Task<std::expected<HttpResponse, HttpFailure>> post(HttpRequest request);

  private:
    class Shard;
    Task<void> end_late();

    std::vector<std::unique_ptr<Shard>> shards_;
    Timer sweep_timer_;
};

} // namespace npcchat
