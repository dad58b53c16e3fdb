// HTTP requests to other services, for one event loop: HTTP/1.1 over connections that libcurl makes and that
// are kept.
#pragma once

#include "io/cancellation.hpp"
#include "io/http_target.hpp"
#include "io/task.hpp"

#include <array>
#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace npcchat {

struct HttpTimeouts {
    std::chrono::milliseconds connect{5'000};
    std::chrono::milliseconds first_byte{60'000};
    std::chrono::milliseconds between_bytes{60'000};
    std::chrono::milliseconds whole{120'000};
};

struct HttpRequest {
    std::string url;
    std::vector<std::string> headers; // "Name: value"
    std::string body;                 // sent by POST
    bool is_get = false;              // GET, without a body
    HttpTimeouts timeouts;
    Cancellation* cancellation = nullptr; // ends the exchange at once; null: nobody does
};

struct HttpResponse {
    int status = 0;
    std::string body;
    std::optional<std::chrono::seconds> retry_after; // from now on; nothing, where none can be read
};

enum class HttpFailure { unreachable, timed_out, broken, too_large, cancelled };

class HttpConnector;
class HttpPool;
class HttpTransfer;

// A response that is read as it comes. What is not read waits at the sender, but for some 64 KiB.
class HttpStream {
  public:
    explicit HttpStream(std::shared_ptr<HttpTransfer> transfer) : transfer_(std::move(transfer)) {}
    ~HttpStream(); // ends the exchange at once, and its connection where the response had not ended
    HttpStream(HttpStream&& other) = default;
    HttpStream& operator=(HttpStream&& other) = delete;

    // What has come since the last call; empty where the response has ended. Timed out where nothing comes
    // until `by`; the request's time for the whole also ends a stream.
    Task<std::expected<std::string, HttpFailure>> read(Clock::time_point by);

    // Of the response, once read() has given something.
    int status() const;
    std::optional<std::chrono::seconds> retry_after() const;

    // For a response that has said all it has to: its end is waited for in the background, for a second, so
    // that the connection can be used again. Nothing can be read after it.
    void let_end();

  private:
    std::shared_ptr<HttpTransfer> transfer_;
};

class HttpClient {
  public:
    explicit HttpClient(Executor executor);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // By GET where the request says so. Any status is a response. Follows no redirects; a body of over 16 MiB
    // is a failure.
    Task<std::expected<HttpResponse, HttpFailure>> post(HttpRequest request);

    // The same, read piece by piece; timeouts.first_byte plays no role, read() has a time of its own.
    HttpStream open(HttpRequest request);

  private:
    friend class HttpTransfer;
    struct Target {
        std::optional<HttpTarget> parsed; // nothing: the URL is none
        HttpPool* pool = nullptr;
    };

    Target& target_of(const std::string& url);
    HttpConnector& next_connector();
    Task<void> sweep();

    Executor executor_;
    std::vector<std::unique_ptr<HttpConnector>> connectors_;
    std::size_t next_ = 0;
    std::unordered_map<std::string, std::unique_ptr<HttpPool>> pools_; // by origin
    std::unordered_map<std::string, Target> targets_;                  // by URL; the configuration has few
    std::vector<std::shared_ptr<HttpTransfer>> transfers_;             // that have not ended
    std::array<char, 16384> buffer_;                                   // what comes, until it is parsed
    Timer sweep_timer_;
};

} // namespace npcchat
