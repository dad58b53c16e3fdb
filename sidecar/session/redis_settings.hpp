// Whether Redis is set up to keep what it is given.
#pragma once

#include "io/redis.hpp"

#include <string>
#include <vector>

namespace npcchat {

// What Redis says of itself; empty where it does not.
struct RedisSettings {
    std::string maxmemory_policy;
    std::string appendonly;
    std::string min_replicas_to_write;
    int replicas = 0; // that are connected
    std::string version = {};
};

// A sentence for each setting that can lose chats, and for a server that is too old, with what to do.
std::vector<std::string> warnings_of(const RedisSettings& settings);

// Asks Redis, once it can be reached, and logs the warnings. Where CONFIG is not allowed, it says so.
Task<void> check_redis_settings(Redis& redis);

} // namespace npcchat
