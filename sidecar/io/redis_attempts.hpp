// What to do with a command after each try: where Redis is a cluster or has Sentinels, a key's server
// changes.
#pragma once

#include "io/redis_url.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace npcchat {

// "MOVED <slot> <host>:<port>" and "ASK …", error replies of a node that does not have the slot, or not the
// key any more.
struct RedisRedirect {
    enum class Kind { moved, ask };
    Kind kind = Kind::moved;
    std::uint16_t slot = 0;
    RedisHost to;

    // `from`: who has said so, which stands for a host that is missing. Nothing for any other text.
    static std::optional<RedisRedirect> parse(std::string_view error, const RedisHost& from);
};

// The tries of one command until its deadline.
class RedisAttempts {
  public:
    using Clock = std::chrono::steady_clock;

    // Redirects that are followed one after the other before there is a pause.
    static constexpr int kRedirects = 4;
    static constexpr std::chrono::milliseconds kFirstPause{2};
    static constexpr std::chrono::milliseconds kLongestPause{128};

    // `repeatable`: it may be carried out twice.
    RedisAttempts(Clock::time_point deadline, bool repeatable)
        : deadline_(deadline), repeatable_(repeatable) {}

    enum class What {
        answer, // the reply is the answer
        send,   // again, after the pause
        give_up,
    };
    struct Step {
        What what = What::answer;
        Clock::duration pause{};
        bool find_anew = false; // who serves what has changed
        std::optional<RedisRedirect>
            redirect; // `moved`: for all that follow; `ask`: for this try, after ASKING
    };

    // `random` (any number) shortens a pause by up to half, so that those who failed together do not return
    // together.
    Step not_sent(Clock::time_point now, std::uint32_t random); // no connection
    Step lost(Clock::time_point now, std::uint32_t random);     // sent, and no answer came
    Step refused(std::string_view error, const RedisHost& from, Clock::time_point now, std::uint32_t random);

  private:
    Step after_pause(Clock::time_point now, std::uint32_t random, bool find_anew);

    Clock::time_point deadline_;
    bool repeatable_;
    int redirects_ = 0; // since the last pause
    int pauses_ = 0;
};

} // namespace npcchat
