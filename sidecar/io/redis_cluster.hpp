// A Redis Cluster: a connection to each master that is used, and the table of who has which slot.
#pragma once

#include "io/redis.hpp"
#include "io/redis_attempts.hpp"
#include "io/redis_slots.hpp"

#include <map>
#include <optional>
#include <random>

namespace npcchat {

class RedisCluster final : public Redis {
  public:
    // `url` names some of the nodes; they name the others.
    RedisCluster(Executor executor, RedisUrl url, Clock::duration limit);
    ~RedisCluster() override { stopping_ = true; }

    // The cursor is a node's name and its own cursor. Masters come in the order of their names.
    Task<Result<ScanPage>> scan(std::string cursor, std::string pattern, int count) override;
    // Whether a node finds the cluster able to serve.
    Task<Result<void>> ping() override;
    void measure_clock() override;

  protected:
    Task<Result<RedisReply>> exchange(const Request& request) override;
    std::shared_ptr<RedisLink> link_for(const Request& request) override;
    Millis clock_offset() const override { return clock_offset_; }

  private:
    struct Node {
        RedisHost host;
        std::shared_ptr<RedisLink> link; // may be closed, or be missing
        bool opening = false;
        Clock::time_point retry_at{};
        Clock::duration backoff{};
    };
    using NodePtr = std::shared_ptr<Node>;
    using LinkPtr = std::shared_ptr<RedisLink>;

    NodePtr node_at(const RedisHost& host);
    NodePtr node_for(const Request& request, const std::optional<RedisRedirect>& ask);
    LinkPtr link_of(const NodePtr& node);
    Task<void> open(NodePtr node);
    Task<Result<RedisReply>> try_on(LinkPtr link, const Request& request, bool asking,
                                    Clock::time_point deadline);
    void follow(const RedisAttempts::Step& step);

    void refresh();
    Task<void> refresh_table();
    Task<std::optional<RedisSlotTable>> ask_for_table(RedisHost host);
    std::vector<RedisHost> known_hosts();
    void adopt(RedisSlotTable table);
    void compare_clocks();

    RedisSlotTable table_;
    std::vector<NodePtr> masters_;         // as in the table
    std::map<std::string, NodePtr> nodes_; // masters, and whom they have sent us to, by "host:port"
    bool refreshing_ = false;
    Clock::time_point refresh_at_{}; // not before
    std::size_t refreshes_ = 0;      // begun
    // The clock that is the furthest behind, minus our steady one; our own until one is read.
    Millis clock_offset_ = now_ms() - steady_ms();
    std::minstd_rand random_{std::random_device{}()};
    bool stopping_ = false;
};

} // namespace npcchat
