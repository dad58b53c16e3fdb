#include "io/http_client.hpp"

#include "io/http_connector.hpp"
#include "io/http_pool.hpp"
#include "io/http_transfer.hpp"

namespace npcchat {
namespace {

// libcurl looks through a list of its connections whenever one of TLS is used or one is closed: several
// connectors keep the lists short.
constexpr std::size_t kConnectors = 12;
// How late a missing byte may be noticed: one timer for all transfers costs less than one each.
constexpr auto kSweep = std::chrono::milliseconds(100);

} // namespace

HttpClient::HttpClient(Executor executor) : executor_(executor), sweep_timer_(executor) {
    for (std::size_t i = 0; i < kConnectors; ++i)
        connectors_.push_back(std::make_unique<HttpConnector>(executor));
    spawn(executor, "http sweep", [this] { return sweep(); });
}

HttpClient::~HttpClient() {
    while (!transfers_.empty())
        transfers_.back()->cancel(HttpFailure::cancelled);
}

Task<void> HttpClient::sweep() {
    for (;;) {
        sweep_timer_.expires_after(kSweep);
        co_await sweep_timer_.async_wait(use_task);
        const auto now = Clock::now();
        for (std::size_t i = transfers_.size(); i-- > 0;) {
            if (transfers_[i]->is_late(now)) transfers_[i]->cancel(HttpFailure::timed_out);
        }
        for (auto& [origin, pool] : pools_)
            pool->close_old(now);
    }
}

HttpClient::Target& HttpClient::target_of(const std::string& url) {
    const auto [found, is_new] = targets_.try_emplace(url);
    Target& target = found->second;
    if (!is_new) return target;
    target.parsed = HttpTarget::parse(url);
    if (!target.parsed) return target;
    auto& pool = pools_[target.parsed->origin()];
    if (!pool) pool = std::make_unique<HttpPool>();
    target.pool = pool.get();
    return target;
}

HttpConnector& HttpClient::next_connector() {
    return *connectors_[next_++ % connectors_.size()];
}

Task<std::expected<HttpResponse, HttpFailure>> HttpClient::post(HttpRequest request) {
    const auto transfer = std::make_shared<HttpTransfer>(*this, std::move(request), false);
    transfer->begin();
    co_await transfer->wait();
    if (transfer->failure()) co_return std::unexpected(*transfer->failure());
    co_return HttpResponse{transfer->status(), transfer->take_unread(), transfer->retry_after()};
}

HttpStream HttpClient::open(HttpRequest request) {
    auto transfer = std::make_shared<HttpTransfer>(*this, std::move(request), true);
    transfer->begin();
    return HttpStream(std::move(transfer));
}

HttpStream::~HttpStream() {
    if (transfer_) transfer_->cancel(HttpFailure::cancelled);
}

Task<std::expected<std::string, HttpFailure>> HttpStream::read(Clock::time_point by) {
    transfer_->wait_until(by);
    co_await transfer_->wait();
    transfer_->wait_until(Clock::time_point::max());
    std::string taken = transfer_->take_unread();
    if (taken.empty() && transfer_->failure()) co_return std::unexpected(*transfer_->failure());
    co_return taken;
}

int HttpStream::status() const {
    return transfer_->status();
}

std::optional<std::chrono::seconds> HttpStream::retry_after() const {
    return transfer_->retry_after();
}

void HttpStream::let_end() {
    std::exchange(transfer_, nullptr)->let_end();
}

} // namespace npcchat
