// What a client is told of its limits: Retry-After, RateLimit and RateLimit-Policy of
// draft-ietf-httpapi-ratelimit-headers-10, and the x-ratelimit-* that SDKs for OpenAI's API read.
#pragma once

#include "module.hpp"

#include <optional>

namespace npcchat {

/// One limit of a location, and what it said of a request.
struct LimitCheck {
    const ngx_shm_zone_t* zone;
    ngx_uint_t number; ///< among the location's, from 1
    const LimitRules* rules;
    LimitVerdict verdict;
    bool counted;
};

struct Concurrency {
    std::int64_t most;
    std::int64_t open;
};

struct RateLimitSubject {
    const LimitCheck* limits;
    std::size_t count;
    std::optional<Concurrency> concurrency;
    bool refused;
};

/// Values of the headers, in the request's pool; an empty one is not sent.
struct RateLimitHeaders {
    ngx_str_t policy;
    ngx_str_t state;
    ngx_str_t limit;
    ngx_str_t remaining;
    ngx_str_t reset;
    ngx_str_t retry_after;
};

/// An excess as limit_req logs it: in 1/1000 requests.
constexpr std::int64_t excess_for_log(const LimitRule& rule, std::int64_t excess) noexcept {
    return excess / (rule.scale().unit / 1000);
}

/// Makes the values for when the answer goes out. NGX_OK or NGX_ERROR.
ngx_int_t keep_rate_limit_headers(ngx_http_request_t* r, RequestContext* ctx,
                                  const RateLimitSubject& subject) noexcept;

/// Adds the headers to an answer, once however often its headers are made. NGX_OK or NGX_ERROR.
ngx_int_t add_rate_limit_headers(ngx_http_request_t* r, const RateLimitHeaders& headers) noexcept;

} // namespace npcchat
