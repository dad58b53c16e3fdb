// REDIS_URL: one Redis, a Redis Cluster, or a master that Sentinels know.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

struct RedisHost {
    std::string name; // or address, or the path of a unix socket, which begins with '/'
    std::string port; // of a unix socket: empty
    bool operator==(const RedisHost&) const = default;
};

// "name:port", or the path; for logs and as a key.
std::string to_string(const RedisHost& host);

struct RedisUrl {
    enum class Kind { single, cluster, sentinel };
    Kind kind = Kind::single;
    // One Redis; or nodes of a cluster, or Sentinels: some of those that there are, any of which may be down.
    std::vector<RedisHost> hosts;
    std::string user; // empty: the default user
    std::string password;
    int database = 0;   // of a cluster always 0
    std::string master; // the name that Sentinels know the master by
};

// redis://[user:password@]host[:port][/db]
// unix://[user:password@]/path[?db=NUMBER]
// redis+cluster://[user:password@]host[:port][,host[:port]…]
// redis+sentinel://[user:password@]host[:port][,host[:port]…]/NAME[/db]
// User, password and path are percent-encoded; a port that is missing is 6379, a Sentinel's 26379. The error
// is for the operator.
std::expected<RedisUrl, std::string> parse_redis_url(std::string_view url);

} // namespace npcchat
