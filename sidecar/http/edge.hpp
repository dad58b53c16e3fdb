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

// Keys that the edge must revoke, or forget, as `header` says, before the client has the answer.
void tell_edge(Response& response, std::string_view header, const std::vector<std::string>& key_digests);

// X-Npcchat-Edge: what the edge has answered since its start.
struct EdgeCounts {
    std::int64_t total = 0;
    std::int64_t by_class[6] = {}; // [2]: 200 to 299, and so on
};
std::optional<EdgeCounts> parse_edge_counts(std::string_view text);

// What only the sidecar knows of a request; what is empty or negative is not known.
struct LogFields {
    std::string_view npc = {};
    std::string_view chat = {};
    std::string_view model = {};
    std::int64_t tokens_in = -1;
    std::int64_t tokens_out = -1;
};
// The value of X-Npcchat-Log.
std::string log_value(const LogFields& fields);
// The header as it is sent, with its end of line; empty for an empty value.
std::string log_header_line(std::string_view value);

} // namespace npcchat
