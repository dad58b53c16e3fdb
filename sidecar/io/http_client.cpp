#include "io/http_client.hpp"

#include "base/retry_after.hpp"
#include "io/curl_sockets.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <curl/curl.h>
#include <optional>
#include <unordered_map>

namespace npcchat {
namespace {

using boost::system::error_code;

constexpr std::size_t kMaxBody = 16UL * 1024 * 1024;
constexpr std::size_t kMaxUnread = 64UL * 1024; // of a stream; libcurl keeps up to 16 KiB more
constexpr auto kLetEnd = std::chrono::seconds(1);
// libcurl scans a list of the host's connections for every request: several handles keep the lists short.
constexpr std::size_t kShards = 12;
constexpr long kMaxKeptConnections = 256; // a shard
constexpr std::size_t kMaxSpareHandles = 32;
// From here on libcurl would ask whether the body is wanted, and wait for a second.
constexpr std::size_t kExpectFrom = 1024UL * 1024;
// How late a missing first byte may be noticed: one timer for all transfers costs less than one each.
constexpr auto kSweep = std::chrono::milliseconds(100);

struct EasyCleanup {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiCleanup {
    void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct UrlCleanup {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct SlistFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// Else libcurl need not look for one with every request.
bool environment_has_proxy() {
    static const bool has =
        std::ranges::any_of(std::array{"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"},
                            [](const char* name) { return std::getenv(name) != nullptr; });
    return has;
}

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

} // namespace

// One CURLM with its sockets and its timer on the loop.
class HttpClient::Shard {
  public:
    explicit Shard(Executor executor);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    std::size_t in_flight() const { return transfers_.size(); }
    void start(const std::shared_ptr<HttpTransfer>& transfer);
    void finish(HttpTransfer& transfer, std::optional<HttpFailure> failure);
    void end_late(Clock::time_point now);
    Executor executor() const { return executor_; }

    // Where requests go: libcurl need not take the URL apart for each, and handles are used again.
    struct Target {
        std::unique_ptr<CURLU, UrlCleanup> url;
        std::vector<std::unique_ptr<CURL, EasyCleanup>> spare;
    };

  private:
    static int on_timer(CURLM* multi, long timeout_ms, void* self);

    Target& target_of(const std::string& url);
    std::unique_ptr<CURL, EasyCleanup> handle(Target& target);
    void prepare(HttpTransfer& transfer);
    void act(curl_socket_t fd, int events);
    void collect_finished();
    void wake_soon();
    void arm_timer();

    Executor executor_;
    std::unique_ptr<CURLM, MultiCleanup> multi_;
    CurlSockets sockets_;
    Timer timer_;
    // libcurl moves its next time-out with every transfer, mostly further away: the timer is armed for the
    // earliest that was wanted, and looks again when it fires.
    Clock::time_point wanted_at_ = Clock::time_point::max();
    Clock::time_point armed_for_ = Clock::time_point::max();
    bool waking_soon_ = false;
    bool starting_ = false; // libcurl wants to be called at once, and will be
    std::unordered_map<CURL*, std::shared_ptr<HttpTransfer>> transfers_;
    std::unordered_map<std::string, Target> targets_; // by URL; the configuration has few
};

// One request and what has come of its response.
class HttpTransfer {
  public:
    HttpTransfer(HttpRequest request, bool streamed) : request(std::move(request)), streamed(streamed) {}

    // Until the transfer has ended; of a stream, until there is something to read.
    Task<void> wait();
    void wake();
    std::string take_unread();
    void forget_sent();
    void cancel();

    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* transfer);
    static bool was_answered(CURL* easy);
    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* transfer);

    HttpRequest request;
    HttpResponse response; // its body: what was not read yet
    const bool streamed;
    std::unique_ptr<CURL, EasyCleanup> easy;
    std::unique_ptr<curl_slist, SlistFree> headers;
    std::optional<Cancellation::Watch> watch;
    Clock::time_point late_at = Clock::time_point::max();
    HttpClient::Shard::Target* target = nullptr;
    HttpClient::Shard* shard = nullptr; // where it runs; null once it has ended
    std::optional<HttpFailure> failure;
    bool answered = false; // the response has begun
    bool too_large = false;
    bool paused = false;
    bool unwanted = false; // what still comes
    Resume<bool> resume;
};

Task<void> HttpTransfer::wait() {
    while (shard && !(streamed && !response.body.empty())) {
        co_await suspend<bool>([this](Resume<bool> then) { resume = std::move(then); });
    }
}

// By way of the loop: libcurl must not be called from within its callbacks.
void HttpTransfer::wake() {
    if (!resume) return;
    asio::post(shard->executor(), [then = std::exchange(resume, nullptr)]() mutable { then(true); });
}

std::string HttpTransfer::take_unread() {
    std::string taken = std::exchange(response.body, {});
    if (shard && std::exchange(paused, false)) curl_easy_pause(easy.get(), CURLPAUSE_CONT);
    return taken;
}

// Once the answer has begun, a body that was sent whole is not sent again, and a stream lives long.
void HttpTransfer::forget_sent() {
    if (!shard || request.body.empty() || response.body.empty()) return;
    curl_off_t sent = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
    if (static_cast<std::size_t>(sent) == request.body.size()) request.body = std::string();
}

void HttpTransfer::cancel() {
    if (shard) shard->finish(*this, HttpFailure::cancelled);
}

std::size_t HttpTransfer::on_body(char* data, std::size_t size, std::size_t count, void* user) {
    auto& transfer = *static_cast<HttpTransfer*>(user);
    std::string& body = transfer.response.body;
    size *= count;
    if (transfer.unwanted) return size;
    if (transfer.streamed && body.size() >= kMaxUnread) {
        transfer.paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (body.size() + size > kMaxBody) {
        transfer.too_large = true;
        return 0; // ends the transfer
    }
    body.append(data, size);
    if (transfer.streamed) transfer.wake();
    return size;
}

bool HttpTransfer::was_answered(CURL* easy) {
    HttpTransfer* transfer = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return transfer && transfer->answered;
}

std::size_t HttpTransfer::on_header(char* data, std::size_t size, std::size_t count, void* user) {
    auto& transfer = *static_cast<HttpTransfer*>(user);
    transfer.answered = true;
    if (!transfer.streamed) transfer.late_at = Clock::time_point::max();
    const std::string_view line(data, size * count);
    constexpr std::string_view kRetryAfter = "retry-after:";
    const bool matches = line.size() > kRetryAfter.size() &&
                         std::ranges::equal(line.substr(0, kRetryAfter.size()), kRetryAfter, {},
                                            [](unsigned char c) { return std::tolower(c); });
    if (matches) {
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        transfer.response.retry_after = parse_retry_after(line.substr(kRetryAfter.size()), now);
    }
    return size * count;
}

HttpClient::Shard::Shard(Executor executor)
    : executor_(executor), multi_(curl_multi_init()),
      sockets_(
          executor, multi_.get(), [this](curl_socket_t socket, int events) { act(socket, events); },
          HttpTransfer::was_answered),
      timer_(executor) {
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kMaxKeptConnections);
}

HttpClient::Shard::~Shard() {
    for (auto& [easy, transfer] : transfers_) {
        curl_multi_remove_handle(multi_.get(), easy);
        transfer->shard = nullptr;
    }
    multi_.reset(); // its sockets say goodbye while sockets_ is still there
}

int HttpClient::Shard::on_timer(CURLM*, long timeout_ms, void* user) {
    auto* self = static_cast<Shard*>(user);
    self->wanted_at_ = Clock::time_point::max();
    if (timeout_ms == 0) {
        if (!self->starting_) self->wake_soon();
    } else if (timeout_ms > 0) {
        self->wanted_at_ = Clock::now() + std::chrono::milliseconds(timeout_ms);
        self->arm_timer();
    }
    return 0;
}

// libcurl must not be called from within its callback.
void HttpClient::Shard::wake_soon() {
    if (waking_soon_) return;
    waking_soon_ = true;
    asio::post(executor_, [this] {
        waking_soon_ = false;
        act(CURL_SOCKET_TIMEOUT, 0);
    });
}

void HttpClient::Shard::arm_timer() {
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

void HttpClient::Shard::act(curl_socket_t fd, int events) {
    int running = 0;
    curl_multi_socket_action(multi_.get(), fd, events, &running);
    collect_finished();
}

void HttpClient::Shard::collect_finished() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const auto found = transfers_.find(message->easy_handle);
        if (found == transfers_.end()) continue;
        const CURLcode code = message->data.result;
        HttpTransfer& transfer = *found->second;
        if (code == CURLE_OK)
            finish(transfer, std::nullopt);
        else
            finish(transfer, transfer.too_large ? HttpFailure::too_large : failure_of(code));
    }
}

// One that libcurl cannot read fails when it is asked for.
HttpClient::Shard::Target& HttpClient::Shard::target_of(const std::string& url) {
    const auto [found, is_new] = targets_.try_emplace(url);
    Target& target = found->second;
    if (is_new) {
        target.url.reset(curl_url());
        curl_url_set(target.url.get(), CURLUPART_URL, url.c_str(), CURLU_GUESS_SCHEME);
    }
    return target;
}

// One that was used before, or a new one with what is the same for all requests to the target.
std::unique_ptr<CURL, EasyCleanup> HttpClient::Shard::handle(Target& target) {
    if (!target.spare.empty()) {
        auto spare = std::move(target.spare.back());
        target.spare.pop_back();
        return spare;
    }
    std::unique_ptr<CURL, EasyCleanup> made(curl_easy_init());
    CURL* easy = made.get();
    sockets_.serve(easy);
    curl_easy_setopt(easy, CURLOPT_CURLU, target.url.get());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, HttpTransfer::on_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, HttpTransfer::on_header);
    if (!environment_has_proxy()) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    return made;
}

void HttpClient::Shard::prepare(HttpTransfer& transfer) {
    transfer.target = &target_of(transfer.request.url);
    transfer.easy = handle(*transfer.target);
    CURL* easy = transfer.easy.get();
    const HttpRequest& request = transfer.request;
    for (const std::string& header : request.headers) {
        transfer.headers.reset(curl_slist_append(transfer.headers.release(), header.c_str()));
    }
    if (request.body.size() >= kExpectFrom) {
        transfer.headers.reset(curl_slist_append(transfer.headers.release(), "Expect:"));
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
    if (request.is_get) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeouts.connect.count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeouts.whole.count()));
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
}

void HttpClient::Shard::start(const std::shared_ptr<HttpTransfer>& transfer) {
    if (Cancellation* cancellation = transfer->request.cancellation) {
        if (cancellation->requested()) {
            transfer->failure = HttpFailure::cancelled;
            return;
        }
        transfer->watch.emplace(*cancellation, [raw = transfer.get()] { raw->cancel(); });
    }
    prepare(*transfer);
    transfer->shard = this;
    transfers_.emplace(transfer->easy.get(), transfer);
    starting_ = true;
    curl_multi_add_handle(multi_.get(), transfer->easy.get());
    starting_ = false;
    act(CURL_SOCKET_TIMEOUT, 0);
}

void HttpClient::Shard::finish(HttpTransfer& transfer, std::optional<HttpFailure> failure) {
    const auto found = transfers_.find(transfer.easy.get());
    const std::shared_ptr<HttpTransfer> kept = std::move(found->second);
    transfers_.erase(found);
    long status = 0;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    transfer.failure = failure;
    curl_multi_remove_handle(multi_.get(), transfer.easy.get());
    auto& spare = transfer.target->spare;
    if (spare.size() < kMaxSpareHandles) spare.push_back(std::move(transfer.easy));
    transfer.easy.reset();
    transfer.watch.reset();
    transfer.wake();
    transfer.shard = nullptr;
}

void HttpClient::Shard::end_late(Clock::time_point now) {
    std::vector<HttpTransfer*> late;
    for (const auto& [easy, transfer] : transfers_) {
        if (transfer->late_at <= now) late.push_back(transfer.get());
    }
    for (HttpTransfer* transfer : late)
        finish(*transfer, HttpFailure::timed_out);
}

HttpStream::~HttpStream() {
    if (transfer_) transfer_->cancel();
}

Task<std::expected<std::string, HttpFailure>> HttpStream::read(Clock::time_point by) {
    transfer_->late_at = by;
    co_await transfer_->wait();
    transfer_->late_at = Clock::time_point::max();
    transfer_->forget_sent();
    if (!transfer_->response.body.empty()) co_return transfer_->take_unread();
    if (transfer_->failure) co_return std::unexpected(*transfer_->failure);
    co_return std::string();
}

int HttpStream::status() const {
    if (!transfer_->shard) return transfer_->response.status;
    long status = 0;
    curl_easy_getinfo(transfer_->easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return static_cast<int>(status);
}

std::optional<std::chrono::seconds> HttpStream::retry_after() const {
    return transfer_->response.retry_after;
}

void HttpStream::let_end() {
    transfer_->unwanted = true;
    transfer_->late_at = Clock::now() + kLetEnd;
    transfer_->watch.reset();
    transfer_->take_unread();
    transfer_.reset();
}

HttpClient::HttpClient(Executor executor) : sweep_timer_(executor) {
    for (std::size_t i = 0; i < kShards; ++i)
        shards_.push_back(std::make_unique<Shard>(executor));
    spawn(executor, "http sweep", [this] { return end_late(); });
}

Task<void> HttpClient::end_late() {
    for (;;) {
        sweep_timer_.expires_after(kSweep);
        co_await sweep_timer_.async_wait(use_task);
        for (const auto& shard : shards_)
            shard->end_late(Clock::now());
    }
}

HttpClient::~HttpClient() = default;

HttpClient::Shard& HttpClient::idlest() {
    return **std::ranges::min_element(shards_, {}, [](const auto& shard) { return shard->in_flight(); });
}

Task<std::expected<HttpResponse, HttpFailure>> HttpClient::post(HttpRequest request) {
    const auto transfer = std::make_shared<HttpTransfer>(std::move(request), false);
    transfer->late_at = Clock::now() + transfer->request.timeouts.first_byte;
    idlest().start(transfer);
    co_await transfer->wait();
    if (transfer->failure) co_return std::unexpected(*transfer->failure);
    co_return std::move(transfer->response);
}

HttpStream HttpClient::open(HttpRequest request) {
    auto transfer = std::make_shared<HttpTransfer>(std::move(request), true);
    idlest().start(transfer);
    return HttpStream(std::move(transfer));
}

} // namespace npcchat
