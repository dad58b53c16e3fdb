#include "io/redis_attempts.hpp"

#include "base/number.hpp"
#include "io/redis_slots.hpp"

#include <algorithm>

namespace npcchat {
namespace {

// Before Redis 7 a script's error has the text of the command that failed in it.
bool says(std::string_view error, std::string_view code) {
    if (error.starts_with(code)) return true;
    const auto at = error.find(code);
    return at != error.npos && at > 0 && error[at - 1] == '-' &&
           error.starts_with("ERR Error running script");
}

} // namespace

std::optional<RedisRedirect> RedisRedirect::parse(std::string_view error, const RedisHost& from) {
    constexpr std::string_view kMoved = "MOVED ";
    constexpr std::string_view kAsk = "ASK ";
    RedisRedirect redirect;
    if (error.starts_with(kMoved)) {
        error.remove_prefix(kMoved.size());
    } else if (error.starts_with(kAsk)) {
        error.remove_prefix(kAsk.size());
        redirect.kind = Kind::ask;
    } else {
        return std::nullopt;
    }
    const auto space = error.find(' ');
    const auto colon = error.rfind(':'); // an IPv6 address has others
    if (space == error.npos || colon == error.npos || colon < space) return std::nullopt;
    const auto slot = parse_number<std::uint16_t>(error.substr(0, space));
    const std::string_view host = error.substr(space + 1, colon - space - 1);
    const std::string_view port = error.substr(colon + 1);
    if (!slot || *slot >= kRedisSlots || parse_number<std::uint16_t>(port).value_or(0) == 0)
        return std::nullopt;
    redirect.slot = *slot;
    redirect.to = {host.empty() ? from.name : std::string(host), std::string(port)};
    return redirect;
}

RedisAttempts::Step RedisAttempts::after_pause(Clock::time_point now, std::uint32_t random, bool find_anew) {
    const std::chrono::nanoseconds longest =
        std::min(kFirstPause * (1 << std::min(pauses_, 10)), kLongestPause);
    const auto pause = longest - longest / 2 * (random % 1024) / 1024;
    ++pauses_;
    redirects_ = 0;
    if (now + pause >= deadline_) return {What::give_up, {}, find_anew, {}};
    return {What::send, pause, find_anew, {}};
}

RedisAttempts::Step RedisAttempts::not_sent(Clock::time_point now, std::uint32_t random) {
    return after_pause(now, random, true);
}

RedisAttempts::Step RedisAttempts::lost(Clock::time_point now, std::uint32_t random) {
    Step step = after_pause(now, random, true);
    if (!repeatable_) step.what = What::give_up;
    return step;
}

RedisAttempts::Step RedisAttempts::refused(std::string_view error, const RedisHost& from,
                                           Clock::time_point now, std::uint32_t random) {
    if (auto redirect = RedisRedirect::parse(error, from)) {
        const bool moved = redirect->kind == RedisRedirect::Kind::moved;
        Step step{What::send, {}, moved, {}};
        if (++redirects_ > kRedirects || now >= deadline_) step = after_pause(now, random, moved);
        step.redirect = std::move(redirect);
        return step;
    }
    // Of these nothing was carried out.
    for (const std::string_view code : {"TRYAGAIN", "LOADING"}) {
        if (error.starts_with(code)) return after_pause(now, random, false);
    }
    for (const std::string_view code : {"CLUSTERDOWN", "MASTERDOWN", "READONLY"}) {
        if (says(error, code)) return after_pause(now, random, true);
    }
    return {};
}

} // namespace npcchat
