#include "io/redis_cluster.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr Clock::duration kFirstBackoff = 20ms;
constexpr Clock::duration kMaxBackoff = 500ms;
constexpr Clock::duration kRefreshEvery = 100ms; // at most
constexpr Millis kClockTolerance = 500;          // that is not told of

} // namespace

RedisCluster::RedisCluster(Executor executor, RedisUrl url, Clock::duration limit)
    : Redis(executor, std::move(url), limit) {
    refresh();
}

// --- Nodes and their connections ---

RedisCluster::NodePtr RedisCluster::node_at(const RedisHost& host) {
    NodePtr& node = nodes_[to_string(host)];
    if (!node) {
        node = std::make_shared<Node>();
        node->host = host;
    }
    return node;
}

// Null while nobody is known.
RedisCluster::NodePtr RedisCluster::node_for(const Request& request,
                                             const std::optional<RedisRedirect>& ask) {
    if (ask) return node_at(ask->to);
    if (request.node) return node_at(*request.node);
    if (masters_.empty()) return nullptr;
    if (request.key.empty()) return masters_[random_() % masters_.size()];
    const std::uint16_t owner = table_.owner(redis_slot(request.key));
    return owner == RedisSlotTable::kNobody ? nullptr : masters_[owner];
}

// Null while there is none; then one is on its way.
RedisCluster::LinkPtr RedisCluster::link_of(const NodePtr& node) {
    if (node->link && node->link->is_open()) return node->link;
    if (!node->opening && !stopping_ && Clock::now() >= node->retry_at) {
        node->opening = true;
        spawn(executor_, "redis node", [this, node] { return open(node); });
    }
    return nullptr;
}

Task<void> RedisCluster::open(NodePtr node) {
    auto link = make_link(node->host, limit_);
    node->link = link;
    bool ready = co_await link->connect();
    if (ready) ready = co_await link->greet(url_);
    node->opening = false;
    if (!ready) {
        node->backoff = std::clamp(node->backoff * 2, kFirstBackoff, kMaxBackoff);
        node->retry_at = Clock::now() + node->backoff;
        refresh();
        co_return;
    }
    node->backoff = {};
    log(Level::info, "Redis connected", {{"server", std::string_view(to_string(node->host))}});
    compare_clocks();
}

// Scripts' deadlines are in the time of whoever runs them, leases end by it and outlive a failover.
void RedisCluster::compare_clocks() {
    std::optional<Millis> least;
    std::optional<Millis> most;
    for (const auto& [name, node] : nodes_) {
        if (!node->link || !node->link->is_open() || node->opening) continue;
        const Millis offset = node->link->clock_offset();
        least = std::min(least.value_or(offset), offset);
        most = std::max(most.value_or(offset), offset);
    }
    if (!least) return;
    clock_offset_ = *least;
    if (*most - *least > kClockTolerance)
        log(Level::warning, "clocks of the Redis Cluster's nodes differ", {{"ms", *most - *least}});
}

void RedisCluster::measure_clock() {
    for (const auto& [name, node] : nodes_) {
        if (!node->link || !node->link->is_open() || node->opening) continue;
        spawn(executor_, "redis clock", [this, link = node->link]() -> Task<void> {
            co_await link->read_clock();
            compare_clocks();
        });
    }
}

// --- Commands ---

Task<Result<RedisReply>> RedisCluster::exchange(const Request& request) {
    const auto deadline = std::min(request.deadline, Clock::now() + limit_);
    RedisAttempts attempts(deadline, request.repeatable);
    std::optional<RedisRedirect> ask;
    for (;;) {
        const NodePtr node = node_for(request, ask);
        const LinkPtr link = node ? link_of(node) : nullptr;
        RedisAttempts::Step step;
        if (!link || node->opening) {
            step = attempts.not_sent(Clock::now(), random_());
        } else {
            auto reply = co_await try_on(link, request, ask.has_value(), deadline);
            if (reply && !reply->is_error()) co_return reply;
            if (reply)
                step = attempts.refused(reply->text(), node->host, Clock::now(), random_());
            else
                step = attempts.lost(Clock::now(), random_());
            if (step.what == RedisAttempts::What::answer) co_return reply;
            if (reply && step.what == RedisAttempts::What::give_up)
                log(Level::error, "Redis Cluster did not take a command in time", {{"error", reply->text()}});
        }
        follow(step);
        if (step.what == RedisAttempts::What::give_up) co_return store_unavailable();
        const bool asks = step.redirect && step.redirect->kind == RedisRedirect::Kind::ask;
        ask = asks ? std::move(step.redirect) : std::nullopt;
        if (step.pause > Clock::duration::zero()) {
            Timer timer(executor_, step.pause);
            co_await timer.async_wait(use_task);
        }
    }
}

RedisCluster::LinkPtr RedisCluster::link_for(const Request& request) {
    const NodePtr node = node_for(request, std::nullopt);
    const LinkPtr link = node ? link_of(node) : nullptr;
    return link && !node->opening ? link : nullptr;
}

Task<Result<RedisReply>> RedisCluster::try_on(LinkPtr link, const Request& request, bool asking,
                                              Clock::time_point deadline) {
    if (asking) link->send({"ASKING"});
    return exchange_on(std::move(link), request, deadline);
}

void RedisCluster::follow(const RedisAttempts::Step& step) {
    if (step.redirect && step.redirect->kind == RedisRedirect::Kind::moved) {
        table_.assign(step.redirect->slot, step.redirect->to);
        if (table_.masters().size() > masters_.size()) masters_.push_back(node_at(step.redirect->to));
    }
    if (step.find_anew) refresh();
}

Task<Result<Redis::ScanPage>> RedisCluster::scan(std::string cursor, std::string pattern, int count) {
    std::map<std::string, RedisHost> masters;
    for (const RedisHost& master : table_.masters())
        masters.emplace(to_string(master), master);
    if (masters.empty()) {
        refresh();
        co_return store_unavailable();
    }
    const auto slash = cursor.rfind('/');
    const std::string name = slash == cursor.npos ? "" : cursor.substr(0, slash);
    const auto master = masters.lower_bound(name);
    if (master == masters.end()) co_return ScanPage{"0", {}};
    // Where the node has gone, the one after it is begun.
    const std::string own = master->first == name ? cursor.substr(slash + 1) : "0";
    const std::string limit = std::to_string(count);
    const RedisCommand command = scan_command(own, pattern, limit);
    const Request request{command, {}, true, &master->second};
    const auto reply = co_await exchange(request);
    auto page = scan_page(reply);
    if (!page) co_return page;
    if (page->cursor != "0")
        page->cursor = master->first + "/" + page->cursor;
    else if (const auto next = std::next(master); next != masters.end())
        page->cursor = next->first + "/0";
    co_return page;
}

Task<Result<void>> RedisCluster::ping() {
    const auto deadline = Clock::now() + limit_;
    const RedisCommand command{"CLUSTER", "INFO"};
    refresh();
    const std::vector<NodePtr> masters = masters_;
    for (const NodePtr& node : masters) {
        const LinkPtr link = link_of(node);
        if (!link || node->opening) continue;
        // One that does not answer must not take the others' time.
        const auto reply = co_await link->exchange(command, std::min(deadline, Clock::now() + limit_ / 4));
        if (reply && reply->text().find("cluster_state:ok") != std::string_view::npos)
            co_return Result<void>();
    }
    co_return store_unavailable();
}

// --- The table ---

// One at a time, and not too often.
void RedisCluster::refresh() {
    if (refreshing_ || stopping_ || Clock::now() < refresh_at_) return;
    refreshing_ = true;
    spawn(executor_, "redis slots", [this] { return refresh_table(); });
}

Task<void> RedisCluster::refresh_table() {
    const std::vector<RedisHost> hosts = known_hosts();
    bool found = false;
    for (std::size_t i = 0; i < hosts.size() && !found && !stopping_; ++i) {
        auto table = co_await ask_for_table(hosts[i]);
        if (!table) continue;
        adopt(std::move(*table));
        found = true;
    }
    if (!found && !stopping_) log(Level::error, "no node of the Redis Cluster tells who has which slot");
    refreshing_ = false;
    refresh_at_ = Clock::now() + kRefreshEvery;
}

// In the order in which they are asked: first those that we are connected to, for they are likely to answer.
std::vector<RedisHost> RedisCluster::known_hosts() {
    std::vector<RedisHost> connected;
    std::vector<RedisHost> others;
    const auto add = [&](const RedisHost& host) {
        const auto node = nodes_.find(to_string(host));
        const bool is_connected = node != nodes_.end() && node->second->link &&
                                  node->second->link->is_open() && !node->second->opening;
        auto& hosts = is_connected ? connected : others;
        if (std::ranges::find(hosts, host) == hosts.end()) hosts.push_back(host);
    };
    for (const auto* hosts : {&table_.masters(), &table_.replicas(), &std::as_const(url_.hosts)})
        std::ranges::for_each(*hosts, add);
    // Another one each time: who is cut off from the others goes on telling what was.
    if (!connected.empty())
        std::ranges::rotate(connected,
                            connected.begin() + static_cast<std::ptrdiff_t>(refreshes_++ % connected.size()));
    connected.insert(connected.end(), others.begin(), others.end());
    return connected;
}

Task<std::optional<RedisSlotTable>> RedisCluster::ask_for_table(RedisHost host) {
    const RedisCommand question{"CLUSTER", "SLOTS"};
    const Clock::duration limit = limit_ / 4;
    const auto node = nodes_.find(to_string(host));
    LinkPtr link = node != nodes_.end() && !node->second->opening ? node->second->link : nullptr;
    const bool own = !link || !link->is_open();
    if (own) {
        link = make_link(host, limit);
        bool ready = co_await link->connect();
        if (ready) ready = co_await link->greet(url_);
        if (!ready) co_return std::nullopt;
    }
    const auto reply = co_await link->exchange(question, Clock::now() + limit);
    if (own) link->close({});
    if (!reply) co_return std::nullopt;
    if (reply->is_error()) {
        log(Level::error, "a node does not tell who has which slot",
            {{"server", std::string_view(to_string(host))}, {"error", reply->text()}});
    }
    co_return RedisSlotTable::parse(*reply, host);
}

void RedisCluster::adopt(RedisSlotTable table) {
    if (table != table_) {
        log(Level::info, "Redis Cluster's slots",
            {{"masters", static_cast<std::int64_t>(table.masters().size())}});
    }
    table_ = std::move(table);
    masters_.clear();
    for (const RedisHost& master : table_.masters()) {
        masters_.push_back(node_at(master));
        link_of(masters_.back());
    }
    std::erase_if(nodes_, [&](const auto& entry) {
        const NodePtr& node = entry.second;
        const bool used = std::ranges::find(masters_, node) != masters_.end();
        // Answers that are awaited still come: that the slot has moved, for one.
        if (used || node->opening || (node->link && node->link->is_open() && !node->link->is_idle()))
            return false;
        if (node->link) node->link->close({});
        return true;
    });
}

} // namespace npcchat
