#include "http/answer_stream.hpp"

#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <fmt/format.h>
#include <sys/socket.h>

namespace npcchat {
namespace {

using boost::system::error_code;

constexpr auto kWrite = std::chrono::seconds(60);
constexpr std::size_t kKeptCapacity = 4096;
constexpr std::string_view kHead = "HTTP/1.1 200 OK\r\nServer: npcchat\r\nContent-Type: text/event-stream\r\n"
                                   "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
                                   "Transfer-Encoding: chunked\r\nX-Request-Id: ";
// A chunk's size is filled in when the chunk is whole; zeros in front of it mean nothing.
constexpr std::string_view kChunkSize = "00000000\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

} // namespace

void AnswerStream::announce(std::string headers) {
    announced_ = true;
    headers_ = std::move(headers);
    last_sent_ = Clock::now();
}

void AnswerStream::put(std::string_view events) {
    if (events.empty() || broken_) return;
    begin_chunk();
    out_ += events;
}

void AnswerStream::begin_chunk() {
    if (in_chunk_) return;
    if (!begun_) {
        out_.append(kHead).append(request_id_).append("\r\n").append(headers_).append("\r\n");
        begun_ = true;
    }
    chunk_ = out_.size();
    out_ += kChunkSize;
    in_chunk_ = true;
}

void AnswerStream::end_chunk() {
    if (!in_chunk_) return;
    const std::size_t size = out_.size() - chunk_ - kChunkSize.size();
    fmt::format_to_n(out_.begin() + static_cast<std::ptrdiff_t>(chunk_), kChunkSize.size() - 2, "{:08x}",
                     size);
    out_ += "\r\n";
    in_chunk_ = false;
}

bool AnswerStream::flush() {
    end_chunk();
    if (!out_.empty()) send();
    return out_.empty();
}

void AnswerStream::send() {
    const ssize_t sent =
        ::send(socket_.native_handle(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        out_.erase(0, static_cast<std::size_t>(sent));
        if (out_.empty() && out_.capacity() > kKeptCapacity) out_ = std::string();
        last_sent_ = Clock::now();
    } else if (errno != EAGAIN && errno != EINTR) {
        broken_ = true;
        out_.clear();
        cancellation_.request();
    }
}

Task<void> AnswerStream::caught_up() {
    while (!out_.empty()) {
        error_code error;
        write_by_ = Clock::now() + kWrite;
        co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(use_task, error));
        write_by_ = Clock::time_point::max();
        if (error) {
            broken_ = true;
            out_.clear();
            cancellation_.request();
        } else {
            send();
        }
    }
}

void AnswerStream::ping_if_silent(Clock::time_point now) {
    if (!announced_ || broken_ || !out_.empty() || now - last_sent_ < kPingAfter) return;
    put(": ping\n\n");
    flush();
}

Task<bool> AnswerStream::finish(std::string_view last) {
    announced_ = false;
    put(last);
    end_chunk();
    if (!broken_) out_ += kLastChunk;
    if (!flush()) co_await caught_up();
    co_return !broken_;
}

} // namespace npcchat
