#include "base/clock.hpp"

#include <chrono>
#include <ctime>
#include <fmt/format.h>

namespace npcchat {

Millis now_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

Millis steady_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string rfc3339(Millis time) {
    // Every line of the log asks for it: a second's text is made once.
    struct Second {
        std::time_t time = -1;
        std::string text;
    };
    static thread_local Second last;
    if (const auto seconds = static_cast<std::time_t>(time / 1000); seconds != last.time) {
        std::tm parts{};
        gmtime_r(&seconds, &parts);
        last = {seconds,
                fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                            parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec)};
    }
    const auto digit = [time](int divisor) { return static_cast<char>('0' + time / divisor % 10); };
    std::string text;
    text.reserve(last.text.size() + 5);
    text.append(last.text).append({'.', digit(100), digit(10), digit(1), 'Z'});
    return text;
}

} // namespace npcchat
