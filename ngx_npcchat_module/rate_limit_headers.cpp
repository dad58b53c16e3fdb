#include "rate_limit_headers.hpp"

#include "headers.hpp"
#include "text_writer.hpp"

#include <algorithm>
#include <new>

namespace npcchat {

namespace {

/// More than an item of either field takes, with numbers of 20 digits.
constexpr std::size_t item_max = 96;
constexpr std::size_t duration_max = 48;

/// Of all rules the one that leaves least; of several the one that takes longest to be as new.
struct Tightest {
    const LimitRule* rule = nullptr;
    Allowance allowance{};

    void offer(const LimitRule& other, const Allowance& its) noexcept {
        if (rule != nullptr) {
            if (its.remaining > allowance.remaining) return;
            if (its.remaining == allowance.remaining && its.reset <= allowance.reset) return;
        }
        rule = &other;
        allowance = its;
    }
};

void separate(TextWriter& out) noexcept {
    if (!out.empty()) out.add(", ");
}

/// The name of a policy: its window's, and which of the location's limits it is, unless it is the first.
void add_name(TextWriter& out, const LimitCheck& limit, const LimitRule& rule) noexcept {
    separate(out);
    out.write("\"", rule.scale().name);
    if (limit.number != 1) out.write("-", static_cast<std::int64_t>(limit.number));
    out.add("\"");
}

template <typename Visit> void for_each_rule(const RateLimitSubject& subject, Visit visit) noexcept {
    for (std::size_t i = 0; i < subject.count; ++i) {
        const LimitCheck& limit = subject.limits[i];
        for (std::size_t j = 0; j < limit.rules->count; ++j)
            visit(limit, limit.rules->rule[j], limit.verdict.excess[j]);
    }
}

ngx_str_t write_policy(TextWriter& out, const RateLimitSubject& subject) noexcept {
    for_each_rule(subject, [&](const LimitCheck& limit, const LimitRule& rule, std::int64_t) {
        add_name(out, limit, rule);
        out.write(";q=", rule.requests, ";w=", rule.scale().seconds);
    });
    if (subject.concurrency) {
        separate(out);
        out.write("\"concurrency\";q=", subject.concurrency->most, ";qu=\"concurrent-requests\"");
    }
    return ngx_text(out.take());
}

ngx_str_t write_state(TextWriter& out, const RateLimitSubject& subject, Tightest& tightest) noexcept {
    for_each_rule(subject, [&](const LimitCheck& limit, const LimitRule& rule, std::int64_t excess) {
        Allowance allowance = limit_allowance(rule, excess, limit.counted);
        tightest.offer(rule, allowance);
        add_name(out, limit, rule);
        out.write(";r=", allowance.remaining, ";t=", allowance.next);
    });
    if (subject.concurrency) {
        separate(out);
        std::int64_t left = subject.concurrency->most - subject.concurrency->open;
        out.write("\"concurrency\";r=", std::max<std::int64_t>(left, 0));
    }
    return ngx_text(out.take());
}

/// As OpenAI writes durations: "12s", "6m0s", "1h0m0s".
ngx_str_t write_duration(TextWriter& out, std::int64_t seconds) noexcept {
    if (seconds >= 3600) {
        out.write(seconds / 3600, "h", seconds / 60 % 60, "m", seconds % 60, "s");
    } else if (seconds >= 60) {
        out.write(seconds / 60, "m", seconds % 60, "s");
    } else {
        out.write(seconds, "s");
    }
    return ngx_text(out.take());
}

/// The longest of all rules'. Nobody knows when an open request ends: then it is a second.
ngx_str_t write_retry_after(TextWriter& out, const RateLimitSubject& subject) noexcept {
    std::int64_t longest = 1;
    for_each_rule(subject, [&](const LimitCheck&, const LimitRule& rule, std::int64_t excess) {
        longest = std::max(longest, limit_retry_after(rule, excess));
    });
    out.add(longest);
    return ngx_text(out.take());
}

ngx_int_t push(ngx_http_request_t* r, std::string_view name, const ngx_str_t& value) noexcept {
    if (value.len == 0) return NGX_OK;
    auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (header == nullptr) return NGX_ERROR;
    *header = {};
    header->hash = 1;
    header->key = ngx_text(name);
    header->value = value;
    return NGX_OK;
}

struct Named {
    std::string_view name;
    ngx_str_t RateLimitHeaders::* value;
    bool list; ///< others may add to it
};

constexpr Named names[] = {
    {"Retry-After", &RateLimitHeaders::retry_after, false},
    {"RateLimit-Policy", &RateLimitHeaders::policy, true},
    {"RateLimit", &RateLimitHeaders::state, true},
    {"x-ratelimit-limit-requests", &RateLimitHeaders::limit, false},
    {"x-ratelimit-remaining-requests", &RateLimitHeaders::remaining, false},
    {"x-ratelimit-reset-requests", &RateLimitHeaders::reset, false},
};

/// Whether an answer's header gives way to ours: one of ours from when its headers were made before, or what
/// a server behind nginx says of the same.
bool gives_way(const ngx_table_elt_t& header, const RateLimitHeaders& headers) noexcept {
    u_char first = first_letter(header);
    if (first != 'r' && first != 'x') return false;
    for (const Named& named : names) {
        const ngx_str_t& value = headers.*named.value;
        if (value.len == 0 || !has_name(header, named.name)) continue;
        if (!named.list || header.value.data == value.data) return true;
    }
    return false;
}

} // namespace

ngx_int_t keep_rate_limit_headers(ngx_http_request_t* r, RequestContext* ctx,
                                  const RateLimitSubject& subject) noexcept {
    std::size_t items = subject.concurrency ? 1 : 0;
    for_each_rule(subject, [&](const LimitCheck&, const LimitRule&, std::int64_t) { ++items; });

    std::size_t size = 2 * items * item_max + 3 * decimal_max + duration_max;
    void* memory = ngx_palloc(r->pool, sizeof(RateLimitHeaders) + size);
    if (memory == nullptr) return NGX_ERROR;
    auto* headers = new (memory) RateLimitHeaders{};

    TextWriter out(static_cast<char*>(memory) + sizeof(RateLimitHeaders));
    Tightest tightest;
    headers->policy = write_policy(out, subject);
    headers->state = write_state(out, subject, tightest);
    if (tightest.rule != nullptr) {
        out.add(tightest.rule->requests);
        headers->limit = ngx_text(out.take());
        out.add(tightest.allowance.remaining);
        headers->remaining = ngx_text(out.take());
        headers->reset = write_duration(out, tightest.allowance.reset);
    }
    if (subject.refused) headers->retry_after = write_retry_after(out, subject);
    ctx->rate_limit = headers;
    return NGX_OK;
}

ngx_int_t add_rate_limit_headers(ngx_http_request_t* r, const RateLimitHeaders& headers) noexcept {
    for_each_header(r->headers_out.headers, [&](ngx_table_elt_t& header) {
        if (header.hash != 0 && gives_way(header, headers)) header.hash = 0;
        return true;
    });
    for (const Named& named : names) {
        if (push(r, named.name, headers.*named.value) != NGX_OK) return NGX_ERROR;
    }
    return NGX_OK;
}

} // namespace npcchat
