#include "base/retry_after.hpp"

#include "base/number.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace npcchat {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr std::int64_t kLongest = 366L * 86'400; // seconds; more is no answer to "when"

std::string_view trimmed(std::string_view text) {
    const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
    const auto end = text.find_last_not_of(" \t\r\n");
    return end == text.npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

// Takes the text up to `end` away from the front, `end` too. Where there is none, all of it.
std::string_view take_until(std::string_view& text, char end) {
    const auto at = std::min(text.find(end), text.size());
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return taken;
}

unsigned month_of(std::string_view name) {
    constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return static_cast<unsigned>(std::ranges::find(kMonths, name) - kMonths.begin()) + 1;
}

std::optional<seconds> time_of_day(std::string_view text) {
    const auto hour = parse_number<unsigned>(take_until(text, ':'));
    const auto minute = parse_number<unsigned>(take_until(text, ':'));
    const auto second = parse_number<unsigned>(text);
    if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    return seconds((*hour * 60 + *minute) * 60 + *second);
}

// Two digits name the latest such year that is at most 50 years ahead (RFC 9110, 5.6.7).
int whole_year(int year, std::size_t digits, sys_seconds now) {
    if (digits != 2) return year;
    const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
    const int this_year = static_cast<int>(today.year());
    const int latest = this_year + 50;
    return latest - (latest - year) % 100;
}

std::optional<sys_seconds> moment(std::string_view day, std::string_view month, std::string_view year,
                                  std::string_view time, sys_seconds now) {
    const auto day_number = parse_number<unsigned>(trimmed(day));
    const auto year_number = parse_number<int>(year);
    const auto since_midnight = time_of_day(time);
    if (!day_number || !year_number || !since_midnight) return std::nullopt;
    const std::chrono::year_month_day date(std::chrono::year(whole_year(*year_number, year.size(), now)),
                                           std::chrono::month(month_of(month)),
                                           std::chrono::day(*day_number));
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days(date) + *since_midnight;
}

std::optional<sys_seconds> parse_date(std::string_view text, sys_seconds now) {
    if (!text.contains(',')) { // Sun Nov  6 08:49:37 1994
        take_until(text, ' ');
        const auto month = take_until(text, ' ');
        text = trimmed(text);
        const auto day = take_until(text, ' ');
        const auto time = take_until(text, ' ');
        return moment(day, month, text, time, now);
    }
    take_until(text, ','); // Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT
    text = trimmed(text);
    const char between = text.contains('-') ? '-' : ' ';
    const auto day = take_until(text, between);
    const auto month = take_until(text, between);
    const auto year = take_until(text, ' ');
    const auto time = take_until(text, ' ');
    if (text != "GMT") return std::nullopt;
    return moment(day, month, year, time, now);
}

} // namespace

std::optional<seconds> parse_retry_after(std::string_view value, sys_seconds now) {
    value = trimmed(value);
    if (!value.empty() && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; })) {
        return seconds(std::min(parse_number<std::int64_t>(value).value_or(kLongest), kLongest));
    }
    const auto date = parse_date(value, now);
    if (!date) return std::nullopt;
    return std::clamp(*date - now, seconds(0), seconds(kLongest));
}

} // namespace npcchat
