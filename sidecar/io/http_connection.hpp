// A connection to an HTTP server that libcurl has made (CURLOPT_CONNECT_ONLY): names, proxies and TLS are its
// business, what goes over the connection is its user's.
#pragma once

#include "io/task.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <curl/curl.h>
#include <expected>
#include <memory>
#include <span>
#include <string_view>

namespace npcchat {

struct CurlEasyCleanup {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using CurlEasy = std::unique_ptr<CURL, CurlEasyCleanup>;

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
  public:
    // Called on the loop, once for each call of watch_*(), until the connection is closed.
    class User {
      public:
        virtual void on_readable(HttpConnection& connection) = 0;
        virtual void on_writable(HttpConnection& connection) = 0;

      protected:
        ~User() = default;
    };

    enum class Nothing { yet, more, lost };

    // Of a handle that has connected and is in `multi`; null where nothing can be had of it. With `is_plain`
    // what it has connected to is the server itself, without TLS.
    static std::shared_ptr<HttpConnection> of(Executor executor, CURLM* multi, CurlEasy easy, bool is_plain);

    ~HttpConnection() { close(); }
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    // Whom to call; null: nobody.
    void belongs_to(User* user) { user_ = user; }

    // How many bytes went, or came; what there is nothing of yet is to be watched for.
    std::expected<std::size_t, Nothing> send(std::string_view bytes);
    std::expected<std::size_t, Nothing> receive(std::span<char> bytes);

    // Whether there is nothing more yet where receive() gave less than it could: TLS comes in records.
    bool is_empty_after_less() const { return !easy_; }

    void watch_readable();
    void watch_writable();
    void close();

  private:
    using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

    HttpConnection(Executor executor, int fd, CURLM* multi, CurlEasy easy);

    Descriptor descriptor_;
    CURLM* multi_;
    CurlEasy easy_; // null where the socket is ours
    User* user_ = nullptr;
    bool reading_ = false;
    bool writing_ = false;
};

} // namespace npcchat
