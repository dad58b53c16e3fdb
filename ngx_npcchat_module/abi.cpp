// Telling builds of nginx apart that nginx itself takes for the same.
#include "module.hpp"

#include <sys/socket.h>
#include <unistd.h>

namespace npcchat {

/// nginx compares its version and a signature of its features. A distribution's patch changes neither:
/// Debian's ngx_connection_t has one more bit-field than nginx.org's of the same version, so that all that
/// follow it are elsewhere. Here nginx sets one of those in a connection of ours, and we look whether it is
/// where we have it.
bool same_layout(ngx_log_t* log) noexcept {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1) fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1) return true;

    ngx_connection_t connection = {};
    connection.fd = fd;
    connection.log = log;
    bool same = ngx_tcp_nodelay(&connection) == NGX_OK && connection.tcp_nodelay == NGX_TCP_NODELAY_SET;
    close(fd);
    return same;
}

} // namespace npcchat
