// What the edge says of a request, believed only beside the shared secret.
#pragma once

#include "http/message.hpp"

#include <string>
#include <string_view>

namespace npcchat {

// Reads the value of X-Npcchat-User and -Role; nothing where it is malformed or empty.
std::optional<Identity> parse_identity(std::string_view user, std::string_view role);

// The same, written: "<id>:<name>", the name percent-encoded.
std::string identity_value(const User& user);

// What of a user's plan the edge needs, from its JSON: "rpm=60;burst=59", or nothing.
std::string edge_plan(const std::string& plan_json);

// X-Npcchat-Edge: what the edge has answered since its start.
struct EdgeCounts {
    std::int64_t total = 0;
    std::int64_t by_class[6] = {}; // [2]: 200 to 299, and so on
};
std::optional<EdgeCounts> parse_edge_counts(std::string_view text);

} // namespace npcchat
