#include "io/http_response_parser.hpp"

#include "base/retry_after.hpp"

namespace npcchat {

namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t kMaxHeader = 64 * 1024;
constexpr int kSwitchingProtocols = 101; // nobody asks for it

bool is_interim(int status) {
    return status / 100 == 1 && status != kSwitchingProtocols;
}

} // namespace

HttpResponseParser::Message::Message() {
    eager(true);
    header_limit(kMaxHeader);
    body_limit(boost::none); // who reads it has bounds of their own
}

void HttpResponseParser::Message::on_response_impl(int code, Text, int, ErrorCode&) {
    status = code;
}

void HttpResponseParser::Message::on_field_impl(http::field name, Text, Text value, ErrorCode&) {
    if (name != http::field::retry_after) return;
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    retry_after = parse_retry_after(value, now);
}

std::size_t HttpResponseParser::Message::on_body_impl(Text bytes, ErrorCode&) {
    body->append(bytes);
    return bytes.size();
}

std::size_t HttpResponseParser::Message::on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode&) {
    body->append(bytes);
    return bytes.size();
}

// Takes what it can off `bytes`.
bool HttpResponseParser::take(std::string_view& bytes, std::string& body) {
    while (!bytes.empty()) {
        if (!message_) message_.emplace();
        if (message_->is_done()) return false;
        message_->body = &body;
        ErrorCode error;
        bytes.remove_prefix(message_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error));
        if (error == http::error::need_more) return true;
        if (error) return false;
        if (message_->is_done() && is_interim(message_->status)) message_.reset();
    }
    return true;
}

bool HttpResponseParser::push(std::string_view bytes, std::string& body) {
    begun_ = begun_ || !bytes.empty();
    if (rest_.empty()) {
        const bool good = take(bytes, body);
        rest_ = bytes;
        return good;
    }
    rest_ += bytes;
    bytes = rest_;
    const bool good = take(bytes, body);
    rest_.erase(0, rest_.size() - bytes.size());
    return good && rest_.size() <= kMaxHeader; // a chunk's header has no other bound
}

bool HttpResponseParser::push_end() {
    if (!message_ || !message_->got_some()) return false;
    ErrorCode error;
    if (!message_->is_done()) message_->put_eof(error);
    return !error;
}

std::optional<std::chrono::seconds> HttpResponseParser::retry_after() const {
    return message_ ? message_->retry_after : std::nullopt;
}

} // namespace npcchat
