// Whether a request is within its user's limits: counted once, refused, or kept waiting.
#include "limit.hpp"

#include "module.hpp"
#include "rate_limit_headers.hpp"

namespace npcchat {

namespace {

/// A request against all limits of its location.
struct Check {
    LimitCheck limits[limits_max];
    LimitRules rules[limits_max]; ///< those that the user's plan makes
    std::size_t count;
    const LimitCheck* refused; ///< the first that refuses; null: none
    bool full;                 ///< a zone had no memory: `full_zone`
    const ngx_shm_zone_t* full_zone;
    std::optional<Concurrency> concurrency;
};

const LimitConf* limits_of(const LocationConf& conf) noexcept {
    return static_cast<const LimitConf*>(conf.limits->elts);
}

ngx_uint_t limits_count(const LocationConf& conf) noexcept {
    return conf.limits != nullptr ? conf.limits->nelts : 0;
}

LimitZone& zone_of(const ngx_shm_zone_t* zone) noexcept {
    return *static_cast<LimitZone*>(zone->data);
}

ngx_str_t user_name(const RequestContext& ctx) noexcept {
    return ngx_text(ctx.identity.name);
}

/// Those of the location's limits that the user has. `plan` is null where the user has none.
void find_limits(Check& check, const LocationConf& conf, const Plan* plan) noexcept {
    for (ngx_uint_t i = 0; i < limits_count(conf); ++i) {
        const LimitConf& limit = limits_of(conf)[i];
        const ZoneRate& rate = zone_of(limit.zone).rate;
        const LimitRules* rules = &limit.rules;
        if (plan != nullptr && rate.plans) {
            check.rules[i] = make_rules(*plan, rate, limit.use);
            rules = &check.rules[i];
        }
        if (rules->count != 0) check.limits[check.count++] = {limit.zone, i + 1, rules, {}, false};
    }
}

/// All but the last are looked at first and counted when the last has let the request pass, so that a refusal
/// costs nothing anywhere. Entries need not be pinned in between, as they are found again by the user's id: a
/// worker that is killed here leaves nothing behind.
void check_limits(Check& check, std::int64_t user, bool refused) noexcept {
    for (std::size_t i = 0; i < check.count; ++i) {
        LimitCheck& limit = check.limits[i];
        bool decides = i + 1 == check.count && !refused;
        auto verdict = limit_zone_check(zone_of(limit.zone), user, *limit.rules,
                                        decides ? LimitStep::account : LimitStep::peek);
        if (!verdict) {
            check.full = true;
            check.full_zone = limit.zone;
            check.count = i;
            return;
        }
        limit.verdict = *verdict;
        limit.counted = decides && verdict->passed;
        if (verdict->passed) continue;
        if (check.refused == nullptr) check.refused = &limit;
        refused = true;
    }
    if (refused) return;

    for (std::size_t i = 0; i + 1 < check.count; ++i) {
        LimitCheck& limit = check.limits[i];
        auto verdict = limit_zone_check(zone_of(limit.zone), user, *limit.rules, LimitStep::charge);
        if (!verdict) continue;
        limit.verdict = *verdict;
        limit.counted = true;
    }
}

/// Opens the request where there is a limit on open ones. False: there is one too many, or no memory.
bool open_within(Check& check, ngx_http_request_t* r, const RequestContext& ctx, const LocationConf& conf,
                 const Plan& plan) noexcept {
    if (conf.concurrency.on != 1) return true;
    LimitZone& zone = zone_of(conf.concurrency.zone);
    std::uint32_t most = conf.concurrency.most;
    if (zone.rate.plans && plan.concurrency) most = *plan.concurrency;
    if (most == 0) return true;

    OpenAnswer answer = open_request(zone, ctx.identity.id, most, r->pool);
    if (answer.result == OpenAnswer::Result::no_memory) {
        check.full = true;
        check.full_zone = conf.concurrency.zone;
        return false;
    }
    check.concurrency = Concurrency{most, answer.open};
    return answer.result == OpenAnswer::Result::opened;
}

void log_refusal(ngx_http_request_t* r, const RequestContext& ctx, const LocationConf& conf,
                 const Check& check) noexcept {
    const char* dry = conf.limit_dry_run ? ", dry run" : "";
    ngx_str_t user = user_name(ctx);
    if (check.full) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0, "no memory in limit zone \"%V\": make it larger",
                      &check.full_zone->shm.name);
        return;
    }
    if (check.refused == nullptr) {
        ngx_log_error(conf.limit_log_level, r->connection->log, 0,
                      "limiting open requests%s, open: %L by zone \"%V\", user: \"%V\"", dry,
                      check.concurrency->open, &conf.concurrency.zone->shm.name, &user);
        return;
    }
    const LimitCheck& limit = *check.refused;
    std::size_t i = 0;
    while (limit.verdict.excess[i] <= limit.rules->rule[i].burst)
        ++i;
    std::int64_t excess = excess_for_log(limit.rules->rule[i], limit.verdict.excess[i]);
    ngx_log_error(conf.limit_log_level, r->connection->log, 0,
                  "limiting requests%s, excess: %L.%03L by zone \"%V\", user: \"%V\"", dry, excess / 1000,
                  excess % 1000, &limit.zone->shm.name, &user);
}

ngx_int_t refuse(ngx_http_request_t* r, RequestContext* ctx, const LocationConf& conf,
                 const Check& check) noexcept {
    log_refusal(r, *ctx, conf, check);
    if (conf.limit_dry_run) {
        ctx->limit = Limit::rejected_dry_run;
        return NGX_DECLINED;
    }
    ctx->limit = Limit::rejected;
    return static_cast<ngx_int_t>(conf.limit_status);
}

struct Wait {
    std::int64_t milliseconds;
    std::int64_t excess; ///< for the log
    const ngx_shm_zone_t* zone;
};

Wait longest_wait(const Check& check) noexcept {
    Wait wait{0, 0, nullptr};
    for (std::size_t i = 0; i < check.count; ++i) {
        const LimitCheck& limit = check.limits[i];
        for (std::size_t j = 0; j < limit.rules->count; ++j) {
            const LimitRule& rule = limit.rules->rule[j];
            std::int64_t delay = limit_delay(rule, limit.verdict.excess[j]);
            if (delay <= wait.milliseconds) continue;
            wait = {delay, excess_for_log(rule, limit.verdict.excess[j]), limit.zone};
        }
    }
    return wait;
}

extern "C" void go_on_after_delay(ngx_http_request_t* r) {
    ngx_event_t* write = r->connection->write;
    if (write->delayed) {
        if (ngx_handle_write_event(write, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }
        return;
    }
    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}

/// nginx calls the phase's handlers again when the time is over; a client that leaves meanwhile is noticed.
ngx_int_t delay_request(ngx_http_request_t* r, std::int64_t milliseconds) noexcept {
    ngx_event_t* read = r->connection->read;
    if (read->ready) {
        ngx_post_event(read, &ngx_posted_events);
    } else if (ngx_handle_read_event(read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = go_on_after_delay;
    r->connection->write->delayed = 1;
    ngx_add_timer(r->connection->write, static_cast<ngx_msec_t>(milliseconds));
    return NGX_AGAIN;
}

ngx_int_t pass(ngx_http_request_t* r, RequestContext* ctx, const LocationConf& conf,
               const Check& check) noexcept {
    Wait wait = longest_wait(check);
    if (wait.milliseconds == 0) {
        ctx->limit = Limit::passed;
        return NGX_DECLINED;
    }
    // As limit_req: one level below refusals.
    ngx_uint_t level = conf.limit_log_level == NGX_LOG_INFO ? NGX_LOG_INFO : conf.limit_log_level + 1;
    ngx_str_t user = user_name(*ctx);
    ngx_log_error(level, r->connection->log, 0,
                  "delaying request%s, excess: %L.%03L, by zone \"%V\", user: \"%V\"",
                  conf.limit_dry_run ? ", dry run" : "", wait.excess / 1000, wait.excess % 1000,
                  &wait.zone->shm.name, &user);
    if (conf.limit_dry_run) {
        ctx->limit = Limit::delayed_dry_run;
        return NGX_DECLINED;
    }
    ctx->limit = Limit::delayed;
    return delay_request(r, wait.milliseconds);
}

} // namespace

ngx_int_t limit_request(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    const LocationConf& conf = *location_conf(r);
    if (limits_count(conf) == 0 && conf.concurrency.on != 1) return NGX_DECLINED;
    // Once per request, however often it is redirected.
    bool seen = ctx->limit != Limit::unseen && ctx->limit != Limit::exempt;
    if (seen || !ctx->known()) return NGX_DECLINED;

    ctx->limit = Limit::exempt;
    if (ctx->identity.role == Role::admin) return NGX_DECLINED;

    Check check;
    check.count = 0;
    check.refused = nullptr;
    check.full = false;
    const Plan plan = parse_plan(ctx->identity.plan);
    find_limits(check, conf, ctx->identity.plan.empty() ? nullptr : &plan);
    bool opened = open_within(check, r, *ctx, conf, plan);
    if (check.count == 0 && !check.concurrency && !check.full) return NGX_DECLINED;

    check_limits(check, ctx->identity.id, !opened);
    bool refused = !opened || check.full || check.refused != nullptr;
    if (refused && opened && check.concurrency) {
        close_request(r->pool);
        --check.concurrency->open;
    }
    if (!conf.limit_dry_run) {
        const RateLimitSubject subject{check.limits, check.count, check.concurrency, refused};
        if (keep_rate_limit_headers(r, ctx, subject) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return refused ? refuse(r, ctx, conf, check) : pass(r, ctx, conf, check);
}

} // namespace npcchat
