// One request over HTTP and what has come of its response.
#pragma once

#include "io/http_client.hpp"
#include "io/http_connection.hpp"
#include "io/http_response_parser.hpp"

namespace npcchat {

// Lives as long as the client lists it, which is until it has ended, or somebody reads it.
class HttpTransfer final : public HttpConnection::User, public std::enable_shared_from_this<HttpTransfer> {
  public:
    HttpTransfer(HttpClient& client, HttpRequest request, bool streamed);

    void begin();

    // Until it has ended; of a stream, until there is something to read.
    Task<void> wait();
    std::string take_unread();
    std::optional<HttpFailure> failure() const { return failure_; } // once it has ended
    int status() const { return parser_.status(); }
    std::optional<std::chrono::seconds> retry_after() const { return parser_.retry_after(); }

    // A stream's next bytes, any other response's first ones, are not waited for any longer.
    void wait_until(Clock::time_point time) { late_at_ = time; }
    bool is_late(Clock::time_point now) const { return late_at_ <= now || whole_at_ <= now; }

    void let_end();
    void cancel(HttpFailure failure);

    void on_readable(HttpConnection& connection) override;
    void on_writable(HttpConnection& connection) override;

  private:
    void connect();
    void use(std::shared_ptr<HttpConnection> connection, bool was_used);
    void write();
    void read();
    void stopped(HttpConnection::Nothing why);
    void finish(bool is_clean);
    void end(std::optional<HttpFailure> failure);
    void resume();
    void resume_soon();

    const Executor executor_;
    HttpClient* client_;    // null once it has ended
    std::size_t place_ = 0; // in its list
    HttpClient::Target& target_;
    const std::chrono::milliseconds connect_limit_;
    const bool streamed_;
    Cancellation* const cancellation_;
    std::optional<Cancellation::Watch> watch_;
    Clock::time_point late_at_ = Clock::time_point::max();
    const Clock::time_point whole_at_;

    std::shared_ptr<HttpConnection> connection_;
    bool was_used_ = false; // the connection, by another request
    std::string request_;   // until the response begins
    std::size_t sent_ = 0;
    HttpResponseParser parser_;
    std::string body_; // what was not read yet
    bool paused_ = false;
    bool unwanted_ = false; // what still comes
    std::optional<HttpFailure> failure_;
    Resume<bool> resume_;
};

} // namespace npcchat
