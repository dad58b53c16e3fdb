#include "io/http_transfer.hpp"

#include "io/http_connector.hpp"
#include "io/http_pool.hpp"

#include <fmt/format.h>
#include <iterator>

namespace npcchat {
namespace {

constexpr std::size_t kMaxBody = 16UL * 1024 * 1024;
constexpr std::size_t kMaxUnread = 64UL * 1024; // of a stream
constexpr auto kLetEnd = std::chrono::seconds(1);

HttpFailure failure_of(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return HttpFailure::unreachable;
    case CURLE_OPERATION_TIMEDOUT:
        return HttpFailure::timed_out;
    default:
        return HttpFailure::broken;
    }
}

std::string message_of(const HttpTarget& target, const HttpRequest& request) {
    std::string text;
    const std::string& head = target.head(request.is_get);
    text.reserve(head.size() + 512 + request.body.size());
    text = head;
    for (const std::string& header : request.headers) {
        text += header;
        text += "\r\n";
    }
    if (!request.is_get)
        fmt::format_to(std::back_inserter(text), "Content-Length: {}\r\n", request.body.size());
    text += "\r\n";
    if (!request.is_get) text += request.body;
    return text;
}

} // namespace

HttpTransfer::HttpTransfer(HttpClient& client, HttpRequest request, bool streamed)
    : executor_(client.executor_), client_(&client), target_(client.target_of(request.url)),
      connect_limit_(request.timeouts.connect), streamed_(streamed), cancellation_(request.cancellation),
      whole_at_(Clock::now() + request.timeouts.whole) {
    if (!streamed) late_at_ = Clock::now() + request.timeouts.first_byte;
    if (target_.parsed) request_ = message_of(*target_.parsed, request);
}

void HttpTransfer::begin() {
    place_ = client_->transfers_.size();
    client_->transfers_.push_back(shared_from_this());
    if (!target_.parsed) return end(HttpFailure::broken);
    if (cancellation_) {
        if (cancellation_->requested()) return end(HttpFailure::cancelled);
        watch_.emplace(*cancellation_, [this] { cancel(HttpFailure::cancelled); });
    }
    if (auto kept = target_.pool->take()) return use(std::move(kept), true);
    connect();
}

// Who does not wait for the connection any more leaves it to the next.
void HttpTransfer::connect() {
    auto done = [self = shared_from_this(), pool = target_.pool](HttpConnector::Connected connected) {
        if (connected && !self->client_) return pool->put(std::move(*connected));
        if (connected)
            self->use(std::move(*connected), false);
        else
            self->end(failure_of(connected.error()));
        self->resume_soon();
    };
    client_->next_connector().connect(target_.parsed->url(), target_.parsed->is_tls(), connect_limit_,
                                      std::move(done));
}

void HttpTransfer::use(std::shared_ptr<HttpConnection> connection, bool was_used) {
    connection_ = std::move(connection);
    was_used_ = was_used;
    sent_ = 0;
    connection_->belongs_to(this);
    connection_->watch_readable();
    write();
}

// A server may refuse to read all of a request: what it says then is read all the same.
void HttpTransfer::write() {
    while (sent_ < request_.size()) {
        const auto sent = connection_->send(std::string_view(request_).substr(sent_));
        if (!sent && sent.error() == HttpConnection::Nothing::yet) return connection_->watch_writable();
        if (!sent) return read();
        sent_ += *sent;
    }
}

void HttpTransfer::on_writable(HttpConnection&) {
    const auto self = shared_from_this();
    write();
    resume();
}

void HttpTransfer::on_readable(HttpConnection&) {
    const auto self = shared_from_this();
    read();
    resume();
}

void HttpTransfer::read() {
    while (connection_) {
        if (streamed_ && body_.size() >= kMaxUnread) {
            paused_ = true;
            return;
        }
        const auto received = connection_->receive(client_->buffer_);
        if (!received && received.error() == HttpConnection::Nothing::yet)
            return connection_->watch_readable();
        if (!received) return stopped(received.error());
        const bool is_clean = parser_.push({client_->buffer_.data(), *received}, body_);
        if (!streamed_) late_at_ = Clock::time_point::max();
        if (unwanted_) body_.clear();
        if (body_.size() > kMaxBody) return end(HttpFailure::too_large);
        if (parser_.ended()) return finish(is_clean);
        if (!is_clean) return end(HttpFailure::broken);
        if (sent_ == request_.size() && sent_ > 0) {
            request_ = std::string(); // a stream lives long
            sent_ = 0;
        }
        if (*received < client_->buffer_.size() && connection_->is_empty_after_less())
            return connection_->watch_readable();
    }
}

// A connection that was kept may have ended when the request came: that tells nothing of the request.
void HttpTransfer::stopped(HttpConnection::Nothing why) {
    if (why == HttpConnection::Nothing::more && parser_.push_end()) return finish(false);
    if (!was_used_ || parser_.begun()) return end(HttpFailure::broken);
    std::exchange(connection_, nullptr)->close();
    connect();
}

void HttpTransfer::finish(bool is_clean) {
    if (is_clean && parser_.keeps_connection() && sent_ == request_.size())
        target_.pool->put(std::exchange(connection_, nullptr));
    end(std::nullopt);
}

void HttpTransfer::end(std::optional<HttpFailure> failure) {
    if (!client_) return;
    if (connection_) std::exchange(connection_, nullptr)->close();
    watch_.reset();
    request_ = std::string();
    failure_ = failure;
    auto& listed = std::exchange(client_, nullptr)->transfers_;
    listed.back()->place_ = place_;
    std::swap(listed[place_], listed.back());
    listed.pop_back(); // which may have been the last owner
}

void HttpTransfer::cancel(HttpFailure failure) {
    const auto self = shared_from_this();
    end(failure);
    resume_soon();
}

Task<void> HttpTransfer::wait() {
    while (client_ && !(streamed_ && !body_.empty())) {
        co_await suspend<bool>([this](Resume<bool> then) { resume_ = std::move(then); });
    }
}

void HttpTransfer::resume() {
    if (resume_ && (!client_ || (streamed_ && !body_.empty()))) std::exchange(resume_, nullptr)(true);
}

// By way of the loop: who ends a transfer may be in the middle of something.
void HttpTransfer::resume_soon() {
    if (resume_) asio::post(executor_, [self = shared_from_this()] { self->resume(); });
}

std::string HttpTransfer::take_unread() {
    std::string taken = std::exchange(body_, {});
    if (std::exchange(paused_, false)) read();
    return taken;
}

void HttpTransfer::let_end() {
    if (!client_) return;
    const auto self = shared_from_this();
    unwanted_ = true;
    late_at_ = Clock::now() + kLetEnd;
    watch_.reset();
    take_unread();
}

} // namespace npcchat
