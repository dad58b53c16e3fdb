#include "http/server.hpp"

#include "base/ids.hpp"
#include "base/log.hpp"
#include "common/path.hpp"
#include "common/protocol.hpp"
#include "http/answer_stream.hpp"
#include "http/edge.hpp"
#include "routes/routes.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>
#include <poll.h>

namespace npcchat {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

using Parser = http::request_parser<http::string_body>;
using HttpMessage = http::request<http::string_body>;

constexpr std::size_t kMaxHeader = 64 * 1024;
constexpr beast::string_view kChatIdHeader = "X-Chat-Id";
constexpr beast::string_view kTraceparentHeader = "traceparent";
// nginx closes its idle connections after 60 s: it must never be us who does so under a request.
constexpr auto kIdle = std::chrono::seconds(180);
constexpr auto kReadBody = std::chrono::seconds(60);
constexpr auto kWrite = std::chrono::seconds(60);
// How late it may be noticed that a client has left, or that a deadline is over: one look at all connections
// costs less than a wait and a timer for each.
constexpr auto kSweep = std::chrono::milliseconds(250);

std::string_view view(beast::string_view text) {
    return {text.data(), text.size()};
}

// Under OpenTelemetry's names for HTTP servers. The pattern, not the path: a path may hold a key.
Span request_span(const TraceContext& parent, const Request& request, const Route* route,
                  const Response& response, Clock::time_point begun) {
    const std::string method(request.method);
    const std::string pattern(route ? route->pattern : "none");
    Span span{parent, request.trace->span_id, method + ' ' + pattern, SpanKind::server, begun};
    span.attributes = {{"http.request.method", method},
                       {"http.route", pattern},
                       {"http.response.status_code", std::int64_t{response.status}}};
    span.failed = response.status >= 500;
    return span;
}

std::string_view header(const HttpMessage& message, std::string_view name) {
    const auto found = message.find(beast::string_view(name.data(), name.size()));
    return found == message.end() ? std::string_view() : view(found->value());
}

// One pass over the headers, for each is looked for by name in few requests only.
void believe_edge(Request& request, const HttpMessage& message) {
    std::string_view user, role;
    for (const auto& field : message) {
        const std::string_view name = view(field.name_string());
        const std::string_view value = view(field.value());
        if (beast::iequals(field.name_string(), kChatIdHeader)) request.chat_id = value;
        if (beast::iequals(field.name_string(), kTraceparentHeader)) request.traceparent = value;
        if (!name.starts_with(protocol::header_prefix)) continue;
        if (name == protocol::user_header)
            user = value;
        else if (name == protocol::role_header)
            role = value;
        else if (name == protocol::address_header)
            request.client_address = value;
        else if (name == protocol::path_user_header)
            request.path_user = value;
        else if (name == protocol::edge_header)
            request.edge_report = value;
        else if (name == protocol::plan_header)
            request.plan = value;
        else if (name == protocol::key_header)
            request.key_digest = value;
    }
    request.from_edge = true;
    request.identity = parse_identity(user, role);
}

// The views point into `message`.
Request request_of(HttpMessage& message, const std::string& edge_secret) {
    Request request;
    const std::string_view target = view(message.target());
    const auto question = std::min(target.find('?'), target.size());
    request.method = view(message.method_string());
    request.path = target.substr(0, question);
    request.query = target.substr(std::min(question + 1, target.size()));
    request.content_type = view(message[http::field::content_type]);
    request.accept = view(message[http::field::accept]);
    request.body = std::move(message.body());
    request.idempotency_key = header(message, "Idempotency-Key");
    const std::string_view id = header(message, protocol::request_id_header);
    request.request_id = protocol::is_request_id(id) ? std::string(id) : random_token(16);
    if (equal_constant_time(header(message, protocol::secret_header), edge_secret))
        believe_edge(request, message);
    return request;
}

ErrorForm form_of(const HttpMessage& message) {
    return error_form(target_path(view(message.target())));
}

std::string head_of(const Response& response, const Request& request, bool keep_alive) {
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\nServer: npcchat\r\n", response.status, reason_phrase(response.status));
    if (response.status != 204) {
        head.append("Content-Type: ").append(response.content_type);
        head.append("\r\nContent-Length: ").append(std::to_string(response.body.size())).append("\r\n");
    }
    head.append("X-Request-Id: ").append(request.request_id).append("\r\n");
    head += log_header_line(request.log_fields);
    for (const auto& [name, value] : response.headers) {
        head.append(name).append(": ").append(value).append("\r\n");
    }
    head += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
    return head;
}

// A request that is being handled.
struct Exchange {
    Exchange(Socket& socket, Request& request) : stream(socket, cancellation, request.request_id) {
        request.cancellation = &cancellation;
        request.stream = &stream;
    }
    Cancellation cancellation;
    AnswerStream stream;
};

} // namespace

class Server::Connection {
  public:
    Connection(Executor executor, int fd, int family, std::span<const Route> routes)
        : socket_(executor), routes_(routes) {
        error_code error;
        socket_.assign(asio::generic::stream_protocol(family, 0), fd, error);
    }

    std::span<const Route> routes() const { return routes_; }
    bool is_idle() const { return idle_; }
    bool is_late(Clock::time_point now) const {
        return now > deadline_ || (exchange_ && now > exchange_->stream.write_by());
    }
    Socket& socket() { return socket_; }
    // Null while no request is handled.
    Exchange* exchange() const { return exchange_; }
    void set_exchange(Exchange* exchange) { exchange_ = exchange; }
    // Ends what is being waited for.
    void cancel() {
        error_code ignored;
        socket_.cancel(ignored);
    }

    // False where the connection has ended, or what came is no HTTP: the answer to that is in `refused`.
    Task<bool> read(const Config& config, Response& refused) {
        parser_.emplace();
        parser_->header_limit(kMaxHeader);
        parser_->body_limit(config.max_document); // until the route is known
        error_code error;
        idle_ = true;
        deadline_ = Clock::now() + kIdle;
        co_await http::async_read_header(socket_, buffer_, *parser_, asio::redirect_error(use_task, error));
        idle_ = false;
        // What is small enough for any route needs no look at which one it is.
        if (!error && !parser_->is_done() &&
            parser_->content_length().value_or(config.max_document) > config.max_body) {
            const std::size_t limit = max_body(config);
            parser_->body_limit(limit);
            if (parser_->content_length().value_or(0) > limit) error = http::error::body_limit;
        }
        if (!error && !parser_->is_done()) {
            deadline_ = Clock::now() + kReadBody;
            co_await http::async_read(socket_, buffer_, *parser_, asio::redirect_error(use_task, error));
        }
        deadline_ = Clock::time_point::max();
        if (error == http::error::body_limit) {
            refused = error_response(Error{413, "The body is too large", 0, {}}, form_of(parser_->get()));
        } else if (error && error.category() == http::make_error_code(http::error::bad_target).category() &&
                   error != http::error::end_of_stream && error != http::error::partial_message) {
            refused = error_response(Error{400, "Bad Request", 0, {}}, form_of(parser_->get()));
        }
        co_return !error;
    }

    HttpMessage& message() { return parser_->get(); }

    // False where nothing can follow on this connection.
    Task<bool> write(const Response& response, const Request& request, bool keep_alive) {
        const std::string head = head_of(response, request, keep_alive);
        const bool has_body = response.status != 204 && request.method != "HEAD";
        const std::array<asio::const_buffer, 2> parts = {
            asio::buffer(head), has_body ? asio::buffer(response.body) : asio::const_buffer()};
        error_code error;
        deadline_ = Clock::now() + kWrite;
        co_await asio::async_write(socket_, parts, asio::redirect_error(use_task, error));
        deadline_ = Clock::time_point::max();
        co_return keep_alive && !error;
    }

  private:
    std::size_t max_body(const Config& config) const {
        const HttpMessage& head = parser_->get();
        const Body body = expected_body(routes_, view(head.method_string()), view(head.target()));
        return body == Body::document ? config.max_document : config.max_body;
    }

    Socket socket_;
    Clock::time_point deadline_ = Clock::time_point::max(); // of what is being waited for
    std::span<const Route> routes_;
    beast::flat_buffer buffer_;
    std::optional<Parser> parser_; // one a message
    Exchange* exchange_ = nullptr;
    bool idle_ = true;
};

Server::Server(Executor executor, Services& services)
    : executor_(executor), services_(services), sweep_timer_(executor) {
    spawn(executor_, "connection sweep", [this] { return sweep(); });
}
Server::~Server() = default;

void Server::adopt(int fd, int family, std::span<const Route> routes) {
    auto connection = std::make_shared<Connection>(executor_, fd, family, routes);
    spawn(executor_, "connection", [this, connection] { return serve(connection); });
}

void Server::drain() {
    draining_ = true;
    for (Connection* connection : connections_) {
        if (connection->is_idle()) connection->cancel();
    }
}

Task<void> Server::sweep() {
    for (;;) {
        sweep_timer_.expires_after(kSweep);
        co_await sweep_timer_.async_wait(use_task);
        const auto now = Clock::now();
        for (Connection* connection : connections_) {
            if (connection->is_late(now)) connection->cancel();
            if (Exchange* exchange = connection->exchange()) exchange->stream.ping_if_silent(now);
        }
        notice_leaving();
    }
}

// A client that has closed its side has left. What it may have sent before is not looked at.
void Server::notice_leaving() {
    std::vector<pollfd> sockets;
    std::vector<Exchange*> exchanges;
    for (Connection* connection : connections_) {
        if (!connection->exchange()) continue;
        sockets.push_back({connection->socket().native_handle(), POLLRDHUP, 0});
        exchanges.push_back(connection->exchange());
    }
    if (sockets.empty() || poll(sockets.data(), sockets.size(), 0) <= 0) return;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (sockets[i].revents != 0) exchanges[i]->cancellation.request();
    }
}

Task<void> Server::serve(std::shared_ptr<Connection> connection) {
    const auto place = connections_.insert(connections_.end(), connection.get());
    bool keep = !draining_;
    while (keep) {
        Response response;
        response.status = 0;
        const bool is_request = co_await connection->read(services_.config, response);
        Request request;
        if (!is_request) {
            if (response.status != 0) co_await connection->write(response, request, false);
            break;
        }
        HttpMessage& message = connection->message();
        request = request_of(message, services_.config.edge_secret);
        ++busy_;
        Exchange exchange(connection->socket(), request);
        connection->set_exchange(&exchange);
        response = co_await answer(connection->routes(), request);
        if (exchange.stream.has_begun())
            keep = co_await exchange.stream.finish(response.body);
        else
            keep = co_await connection->write(response, request, message.keep_alive() && !draining_);
        keep = keep && message.keep_alive() && !draining_;
        connection->set_exchange(nullptr);
        --busy_;
    }
    connections_.erase(place);
}

Task<Response> Server::answer(std::span<const Route> routes, Request& request) {
    const auto begun = Clock::now();
    add(services_.metrics.in_flight);
    const auto parent = services_.traces.begin(request.traceparent);
    if (parent) request.trace = TraceContext{parent->trace_id, new_span_id()};
    Result<Response> handled;
    const auto route = find_route(routes, request);
    if (route) {
        try {
            handled = co_await (*route)->handler(services_, request);
        } catch (const std::exception& bug) {
            log(Level::error, "handler failed",
                {{"request_id", request.request_id}, {"what", std::string_view(bug.what())}});
            handled = fail(500, "Internal Server Error");
        }
    } else {
        handled = std::unexpected(route.error());
    }
    Response response = handled ? std::move(*handled)
                        : request.stream->has_begun()
                            ? error_event(handled.error(), error_form(request.path))
                            : error_response(handled.error(), error_form(request.path));
    add(services_.metrics.in_flight, -1);
    const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    RouteMetrics& metrics = services_.metrics.routes[metrics_index(route ? *route : nullptr)];
    add(metrics.by_class[static_cast<std::size_t>(response.status / 100)]);
    metrics.duration.observe(seconds);
    if (parent)
        services_.traces.record(request_span(*parent, request, route ? *route : nullptr, response, begun));
    // The pattern, not the path: a path may hold a key.
    log(Level::info, "request",
        {{"request_id", request.request_id},
         {"method", request.method},
         {"route", route ? (*route)->pattern : "none"},
         {"status", std::int64_t{response.status}},
         {"ms", seconds * 1000},
         {"user", request.identity ? std::string_view(request.identity->name) : "-"}});
    co_return response;
}

std::size_t metrics_index(const Route* route) {
    const auto table = public_routes();
    const bool is_public = route && route >= table.data() && route < table.data() + table.size();
    return is_public ? static_cast<std::size_t>(route - table.data()) : kMaxRoutes - 1;
}

} // namespace npcchat
