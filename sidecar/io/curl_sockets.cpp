#include "io/curl_sockets.hpp"

namespace npcchat {

using boost::system::error_code;

CurlSockets::CurlSockets(Executor executor, CURLM* multi, Act act)
    : executor_(executor), act_(std::move(act)) {
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
}

CurlSockets::~CurlSockets() {
    for (auto& [fd, socket] : sockets_)
        socket->descriptor.release();
}

int CurlSockets::on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    auto* self = static_cast<CurlSockets*>(user);
    auto found = self->sockets_.find(fd);
    if (what == CURL_POLL_REMOVE) {
        if (found == self->sockets_.end()) return 0;
        found->second->wanted = 0;
        found->second->descriptor.release();
        self->sockets_.erase(found);
        return 0;
    }
    if (found == self->sockets_.end())
        found = self->sockets_.emplace(fd, std::make_shared<Socket>(self->executor_, fd)).first;
    found->second->wanted = what;
    self->watch(found->second);
    return 0;
}

void CurlSockets::watch(const std::shared_ptr<Socket>& socket) {
    const auto wait = [this, &socket](Descriptor::wait_type type, int interest, int event,
                                      bool Socket::* waiting) {
        if (!(socket->wanted & interest) || (*socket).*waiting) return;
        (*socket).*waiting = true;
        socket->descriptor.async_wait(type, [this, socket, event, interest, waiting](error_code error) {
            (*socket).*waiting = false;
            if (error == asio::error::operation_aborted) return; // released: this may be gone too
            if (!(socket->wanted & interest)) return;
            act_(socket->fd, error ? CURL_CSELECT_ERR : event);
            watch(socket);
        });
    };
    wait(Descriptor::wait_read, CURL_POLL_IN, CURL_CSELECT_IN, &Socket::reading);
    wait(Descriptor::wait_write, CURL_POLL_OUT, CURL_CSELECT_OUT, &Socket::writing);
}

} // namespace npcchat
