#include "io/http_connection.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>

namespace npcchat {

using boost::system::error_code;

namespace {

curl_socket_t socket_of(CURL* easy) {
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd;
}

std::expected<std::size_t, HttpConnection::Nothing> outcome_of(ssize_t size) {
    if (size >= 0) return static_cast<std::size_t>(size);
    const bool again = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return std::unexpected(again ? HttpConnection::Nothing::yet : HttpConnection::Nothing::lost);
}

std::expected<std::size_t, HttpConnection::Nothing> outcome_of(CURLcode code, std::size_t size) {
    if (code == CURLE_OK) return size;
    return std::unexpected(code == CURLE_AGAIN ? HttpConnection::Nothing::yet
                                               : HttpConnection::Nothing::lost);
}

} // namespace

HttpConnection::HttpConnection(Executor executor, int fd, CURLM* multi, CurlEasy easy)
    : descriptor_(executor, fd), multi_(multi), easy_(std::move(easy)) {}

std::shared_ptr<HttpConnection> HttpConnection::of(Executor executor, CURLM* multi, CurlEasy easy,
                                                   bool is_plain) {
    const auto make = [&](int fd, CurlEasy kept) {
        return std::shared_ptr<HttpConnection>(new HttpConnection(executor, fd, multi, std::move(kept)));
    };
    const curl_socket_t theirs = socket_of(easy.get());
    if (theirs == CURL_SOCKET_BAD) return nullptr;
    if (is_plain) {
        const int ours = fcntl(theirs, F_DUPFD_CLOEXEC, 0);
        curl_multi_remove_handle(multi, easy.get()); // which closes theirs
        return ours == -1 ? nullptr : make(ours, nullptr);
    }
    auto connection = make(theirs, std::move(easy));
    // The first use ties connection and handle together; until then libcurl takes it for idle, and may close
    // it when it makes another. A server has nothing to say yet.
    std::array<char, 1> byte;
    const auto received = connection->receive(byte);
    return !received && received.error() == Nothing::yet ? connection : nullptr;
}

std::expected<std::size_t, HttpConnection::Nothing> HttpConnection::send(std::string_view bytes) {
    if (!descriptor_.is_open()) return std::unexpected(Nothing::lost);
    if (!easy_)
        return outcome_of(::send(descriptor_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    std::size_t size = 0;
    const CURLcode code = curl_easy_send(easy_.get(), bytes.data(), bytes.size(), &size);
    return outcome_of(code, size);
}

std::expected<std::size_t, HttpConnection::Nothing> HttpConnection::receive(std::span<char> bytes) {
    if (!descriptor_.is_open()) return std::unexpected(Nothing::lost);
    std::expected<std::size_t, Nothing> received;
    if (!easy_) {
        received = outcome_of(::recv(descriptor_.native_handle(), bytes.data(), bytes.size(), 0));
    } else {
        std::size_t size = 0;
        const CURLcode code = curl_easy_recv(easy_.get(), bytes.data(), bytes.size(), &size);
        received = outcome_of(code, size);
    }
    if (received && *received == 0) return std::unexpected(Nothing::more);
    return received;
}

void HttpConnection::watch_readable() {
    if (!descriptor_.is_open() || std::exchange(reading_, true)) return;
    descriptor_.async_wait(Descriptor::wait_read, [self = shared_from_this()](error_code error) {
        self->reading_ = false;
        if (error == asio::error::operation_aborted || !self->user_) return;
        self->user_->on_readable(*self);
    });
}

void HttpConnection::watch_writable() {
    if (!descriptor_.is_open() || std::exchange(writing_, true)) return;
    descriptor_.async_wait(Descriptor::wait_write, [self = shared_from_this()](error_code error) {
        self->writing_ = false;
        if (error == asio::error::operation_aborted || !self->user_) return;
        self->user_->on_writable(*self);
    });
}

void HttpConnection::close() {
    if (!descriptor_.is_open()) return;
    user_ = nullptr;
    if (!easy_) {
        error_code ignored;
        descriptor_.close(ignored);
        return;
    }
    descriptor_.release();
    curl_multi_remove_handle(multi_, easy_.get());
    easy_.reset();
}

} // namespace npcchat
