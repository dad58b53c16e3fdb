// What a user may use: the plan that the admin gives it, and the part of it that comes with each request.
#pragma once

#include "base/json.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// Absent: no limit (of requests: the edge's own).
struct Plan {
    std::optional<std::int64_t> requests_per_minute; // 0: no limit
    std::optional<std::int64_t> burst;               // requests that may come at once beyond the first
    std::optional<std::int64_t> tokens_per_minute;
    std::optional<std::int64_t> tokens_per_day; // of UTC
    std::optional<std::int64_t> concurrent_chats;
    std::vector<std::string> models; // that may be named; empty: all
};

// 422 with the field's name.
Result<Plan> read_plan(const json_t* object);

// A plan as it is stored, and back. Empty: no limits of its own.
std::string plan_json(const Plan& plan);
Plan stored_plan(const std::string& json);

// What of a plan goes through the edge, for itself and with each request:
// "rpm=60;burst=59;tpm=5000;tpd=200000; chats=2;models=0123456789abcdef", each part only where it is limited.
// Models go by a digest of their names.
std::string edge_plan(const std::string& stored);

// Of a request, from that text. 0: no limit.
struct RequestPlan {
    std::int64_t tokens_per_minute = 0;
    std::int64_t tokens_per_day = 0;
    std::int64_t concurrent_chats = 0;
    std::string models_digest; // empty: all models

    bool limits_tokens() const { return tokens_per_minute > 0 || tokens_per_day > 0 || concurrent_chats > 0; }
};
RequestPlan parse_request_plan(std::string_view text);

// Of names in their order.
std::string models_digest(const std::vector<std::string>& models);

} // namespace npcchat
