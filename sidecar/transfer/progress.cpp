#include "transfer/progress.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr auto kDrawEvery = 100ms;
constexpr auto kPrintEvery = 10s;
constexpr std::int64_t kWidth = 30;
constexpr std::string_view kClearLine = "\r\033[K";

} // namespace

Progress::Progress() : to_terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::begin(std::string_view what, std::int64_t total) {
    end();
    what_ = what;
    done_ = 0;
    total_ = total;
    next_ = to_terminal_ ? Clock::now() : Clock::now() + kPrintEvery;
}

void Progress::set(std::int64_t done) {
    done_ = done;
    if (Clock::now() < next_) return;
    if (to_terminal_)
        draw();
    else
        print_line();
    next_ = Clock::now() + (to_terminal_ ? Clock::duration(kDrawEvery) : kPrintEvery);
}

void Progress::note(std::string_view line) {
    fmt::print(stderr, "{}{}\n", to_terminal_ ? kClearLine : "", line);
    if (to_terminal_ && !what_.empty()) draw();
}

void Progress::end() {
    if (what_.empty()) return;
    if (to_terminal_) fmt::print(stderr, "{}", kClearLine);
    print_line();
    what_.clear();
}

void Progress::draw() {
    const std::int64_t total = std::max<std::int64_t>({total_, done_, 1});
    const std::int64_t filled = kWidth * done_ / total;
    fmt::print(stderr, "{}[{:#<{}}{:.<{}}] {:3} % {} {}", kClearLine, "", filled, "", kWidth - filled,
               100 * done_ / total, done_, what_);
    std::fflush(stderr);
}

void Progress::print_line() {
    if (total_ > 0)
        fmt::print(stderr, "{}: {} of {}\n", what_, done_, std::max(total_, done_));
    else
        fmt::print(stderr, "{}: {}\n", what_, done_);
}

} // namespace npcchat
