#include "io/http_connector.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace npcchat {

using boost::system::error_code;

namespace {

// Else libcurl need not look for one.
bool environment_has_proxy() {
    static const bool has =
        std::ranges::any_of(std::array{"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"},
                            [](const char* name) { return std::getenv(name) != nullptr; });
    return has;
}

CurlEasy connecting_handle(CURLU* url, std::chrono::milliseconds limit) {
    CurlEasy made(curl_easy_init());
    CURL* easy = made.get();
    curl_easy_setopt(easy, CURLOPT_CURLU, url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limit.count()));
    // The authorities that OpenSSL's own programs trust.
    if (const char* file = std::getenv("SSL_CERT_FILE")) curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (environment_has_proxy())
        curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    return made;
}

} // namespace

HttpConnector::HttpConnector(Executor executor)
    : executor_(executor), multi_(curl_multi_init()),
      sockets_(executor, multi_.get(), [this](curl_socket_t socket, int events) { act(socket, events); }),
      timer_(executor) {
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
}

HttpConnector::~HttpConnector() {
    for (auto& [easy, pending] : pending_)
        curl_multi_remove_handle(multi_.get(), easy);
    multi_.reset(); // its sockets say goodbye while sockets_ is still there
}

void HttpConnector::connect(CURLU* url, bool is_tls, std::chrono::milliseconds limit, Done done) {
    CurlEasy easy = connecting_handle(url, limit);
    CURL* raw = easy.get();
    pending_.emplace(raw, Pending{std::move(easy), !is_tls && !environment_has_proxy(), std::move(done)});
    curl_multi_add_handle(multi_.get(), raw); // and the timer is asked for, at once
}

int HttpConnector::on_timer(CURLM*, long timeout_ms, void* user) {
    auto* self = static_cast<HttpConnector*>(user);
    self->wanted_at_ = Clock::time_point::max();
    if (timeout_ms == 0) {
        self->wake_soon();
    } else if (timeout_ms > 0) {
        self->wanted_at_ = Clock::now() + std::chrono::milliseconds(timeout_ms);
        self->arm_timer();
    }
    return 0;
}

// libcurl must not be called from within its callback.
void HttpConnector::wake_soon() {
    if (std::exchange(waking_soon_, true)) return;
    asio::post(executor_, [this] {
        waking_soon_ = false;
        act(CURL_SOCKET_TIMEOUT, 0);
    });
}

void HttpConnector::arm_timer() {
    if (wanted_at_ >= armed_for_) return;
    armed_for_ = wanted_at_;
    timer_.expires_at(armed_for_);
    timer_.async_wait([this](error_code error) {
        if (error) return;
        armed_for_ = Clock::time_point::max();
        if (wanted_at_ <= Clock::now()) act(CURL_SOCKET_TIMEOUT, 0);
        arm_timer();
    });
}

void HttpConnector::act(curl_socket_t fd, int events) {
    int running = 0;
    curl_multi_socket_action(multi_.get(), fd, events, &running);
    collect();
}

void HttpConnector::collect() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        auto found = pending_.extract(message->easy_handle);
        if (!found) continue;
        const CURLcode code = message->data.result;
        auto [easy, is_plain, done] = std::move(found.mapped());
        if (code == CURLE_OK) {
            auto connection = HttpConnection::of(executor_, multi_.get(), std::move(easy), is_plain);
            if (connection)
                done(std::move(connection));
            else
                done(std::unexpected(CURLE_RECV_ERROR));
            continue;
        }
        curl_multi_remove_handle(multi_.get(), easy.get());
        done(std::unexpected(code));
    }
}

} // namespace npcchat
