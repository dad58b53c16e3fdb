// A user's plan, and the rules that it becomes.
#include "plan.hpp"

#include "fuzz.hpp"

using namespace npcchat;

namespace {

/// Requests at times that the bytes say, up to years apart: no sum overflows, and what a client is told is
/// sound.
void run(const LimitRules& rules, std::string_view steps) {
    std::uint64_t now = 1;
    LimitState state = fresh_state(now);
    for (char step : steps) {
        auto byte = static_cast<unsigned char>(step);
        now += std::uint64_t{byte & 15U} << (byte >> 4) * 3;
        LimitVerdict verdict = limit_peek(state, rules, now);
        if (verdict.passed) limit_charge(state, rules, verdict, now);
        fuzz::require(limit_drain_time(state, rules) >= 0);

        std::int64_t retry = 0;
        for (std::size_t i = 0; i < rules.count; ++i) {
            const LimitRule& rule = rules.rule[i];
            Allowance left = limit_allowance(rule, verdict.excess[i], verdict.passed);
            fuzz::require(left.remaining >= 0 && left.remaining <= rule.requests);
            fuzz::require(left.next >= 0 && left.reset >= left.next);
            fuzz::require(limit_delay(rule, verdict.excess[i]) >= 0);
            std::int64_t seconds = limit_retry_after(rule, verdict.excess[i]);
            if (seconds > retry) retry = seconds;
        }
        fuzz::require(verdict.passed == (retry == 0));
    }
}

void check_rules(const Plan& plan, const ZoneRate& zone, const LimitUse& use, std::string_view steps) {
    LimitRules rules = make_rules(plan, zone, use);
    fuzz::require(rules.count <= window_count);
    for (std::size_t i = 0; i < rules.count; ++i) {
        const LimitRule& rule = rules.rule[i];
        fuzz::require(rule.requests >= 1 && rule.requests <= requests_max);
        fuzz::require(rule.rate >= 1 && rule.burst >= 0 && rule.delay >= 0);
        // At most one for each window.
        fuzz::require(i == 0 || rules.rule[i - 1].window < rule.window);
    }
    run(rules, steps);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view steps = fuzz::text(data, size);
    std::string_view text = fuzz::take_until(steps, '\n');

    auto count = parse_count(text);
    bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    fuzz::require(count.has_value() == digits && count.value_or(0) <= requests_max);

    Plan plan = parse_plan(text);
    for (const auto& requests : plan.requests)
        fuzz::require(requests.value_or(0) <= requests_max);
    fuzz::require(plan.burst.value_or(0) <= requests_max && plan.concurrency.value_or(0) <= requests_max);
    check_rules(plan, {Window::minute, 5, true}, {4, no_delay}, steps);
    check_rules(plan, {Window::day, 0, true}, {0, 0}, steps);
    check_rules(plan, {Window::second, requests_max, false}, {requests_max, requests_max}, steps);
    return 0;
}
