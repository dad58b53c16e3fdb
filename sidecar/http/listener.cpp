#include "http/listener.hpp"

#include "base/log.hpp"

#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace npcchat {
namespace {

using boost::system::error_code;

constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

std::unexpected<std::string> system_error(std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

bool somebody_listens(const sockaddr_un& address) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    return connected;
}

std::expected<int, std::string> open_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (somebody_listens(address)) return std::unexpected(path + ": another process listens here");
    unlink(path.c_str());
    const int fd = socket(AF_UNIX, kSocketFlags, 0);
    const mode_t old_mask = umask(0117);
    const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    umask(old_mask);
    if (!bound || listen(fd, SOMAXCONN) != 0) {
        auto error = system_error(path);
        ::close(fd);
        return error;
    }
    return fd;
}

std::expected<int, std::string> open_tcp(const ListenAddress& wanted) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(wanted.port);
    if (const int error = getaddrinfo(wanted.host.c_str(), port.c_str(), &hints, &found); error != 0) {
        return std::unexpected(fmt::format("{}: {}", wanted.host, gai_strerror(error)));
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
    const int fd = socket(found->ai_family, kSocketFlags, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        auto error = system_error(fmt::format("{}:{}", wanted.host, wanted.port));
        ::close(fd);
        return error;
    }
    return fd;
}

} // namespace

struct Listener::State {
    State(Executor executor, int fd, std::string path)
        : descriptor(executor, fd), retry_timer(executor), unix_path(std::move(path)) {}
    asio::posix::basic_stream_descriptor<Executor> descriptor;
    Timer retry_timer;
    std::string unix_path;
    bool closed = false;
};

std::expected<Listener, std::string> Listener::open(Executor executor, const ListenAddress& address) {
    const auto fd = address.unix_path.empty() ? open_tcp(address) : open_unix(address.unix_path);
    if (!fd) return std::unexpected(fd.error());
    return Listener(std::make_shared<State>(executor, *fd, address.unix_path));
}

Listener::~Listener() {
    close();
}

void Listener::close() {
    if (!state_ || state_->closed) return;
    state_->closed = true;
    if (!state_->unix_path.empty()) unlink(state_->unix_path.c_str());
    error_code ignored;
    state_->descriptor.close(ignored);
    state_->retry_timer.cancel();
}

void Listener::start(std::function<void(int, int)> accepted) {
    spawn(state_->descriptor.get_executor(), "listener",
          [state = state_, accepted = std::move(accepted)] { return accept_all(state, accepted); });
}

Task<void> Listener::accept_all(std::shared_ptr<State> state, std::function<void(int, int)> accepted) {
    const int on = 1;
    while (!state->closed) {
        error_code error;
        co_await state->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                                              asio::redirect_error(use_task, error));
        if (state->closed) co_return;
        sockaddr_storage peer{};
        socklen_t size = sizeof(peer);
        const int fd = accept4(state->descriptor.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (peer.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            accepted(fd, peer.ss_family);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) continue;
        // Out of descriptors: the connection waits in the backlog until some are free.
        log(Level::error, "accept failed", {{"error", std::string_view(std::strerror(errno))}});
        state->retry_timer.expires_after(std::chrono::milliseconds(50));
        co_await state->retry_timer.async_wait(asio::redirect_error(use_task, error));
    }
}

} // namespace npcchat
