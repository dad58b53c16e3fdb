// HTTP/1.1 responses (RFC 9112) out of the bytes of a connection, by Beast's parser; no socket.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace npcchat {

class HttpResponseParser {
  public:
    // Of one response. False where the bytes are none, or go on after its end. Interim responses (1xx) are
    // left out. What comes of the body is appended to `body`.
    bool push(std::string_view bytes, std::string& body);

    // The connection has ended; false where the response had not.
    bool push_end();

    bool begun() const { return begun_; } // a byte has come
    bool ended() const { return message_ && message_->is_done(); }
    bool keeps_connection() const { return ended() && message_->keep_alive(); }

    // 0 until the header is whole.
    int status() const { return message_ ? message_->status : 0; }
    // From now on; nothing, where none can be read.
    std::optional<std::chrono::seconds> retry_after() const;

  private:
    using Text = boost::beast::string_view;
    using ErrorCode = boost::beast::error_code;

    struct Message final : boost::beast::http::basic_parser<false> {
        Message();
        void on_request_impl(boost::beast::http::verb, Text, Text, int, ErrorCode&) override {}
        void on_response_impl(int code, Text reason, int version, ErrorCode& error) override;
        void on_field_impl(boost::beast::http::field name, Text name_text, Text value,
                           ErrorCode& error) override;
        void on_header_impl(ErrorCode&) override {}
        void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
        std::size_t on_body_impl(Text bytes, ErrorCode& error) override;
        void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
        std::size_t on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode& error) override;
        void on_finish_impl(ErrorCode&) override {}

        int status = 0;
        std::optional<std::chrono::seconds> retry_after;
        std::string* body = nullptr;
    };

    bool take(std::string_view& bytes, std::string& body);

    std::optional<Message> message_;
    std::string rest_; // of a header that is not whole yet
    bool begun_ = false;
};

} // namespace npcchat
