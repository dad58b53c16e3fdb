#include "base/log.hpp"

#include "base/clock.hpp"
#include "base/json.hpp"

#include <array>
#include <charconv>
#include <mutex>
#include <string>
#include <unistd.h>

namespace npcchat {
namespace {

constexpr std::size_t kBufferSize = 64 * 1024;
constexpr std::size_t kUsualLine = 256;

class LineBuffer {
  public:
    void append(std::string_view line, bool at_once) {
        const std::lock_guard lock(mutex_);
        buffer_.append(line);
        if (at_once || buffer_.size() >= kBufferSize) write_out();
    }

    void flush() {
        const std::lock_guard lock(mutex_);
        write_out();
    }

  private:
    void write_out() {
        std::string_view rest = buffer_;
        while (!rest.empty()) {
            const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
            if (written <= 0) break; // a full disk must not stop the service
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
        buffer_.clear();
    }

    std::mutex mutex_;
    std::string buffer_;
};

LineBuffer& lines() {
    static LineBuffer buffer;
    return buffer;
}

constexpr std::string_view level_name(Level level) {
    switch (level) {
    case Level::info:
        return "info";
    case Level::warning:
        return "warning";
    case Level::error:
        return "error";
    }
    return "error";
}

// As std::to_chars; "null" for what would need more than 64 characters.
void append_number(std::string& out, auto number, auto... format) {
    std::array<char, 64> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, format...);
    if (end.ec == std::errc())
        out.append(digits.data(), end.ptr);
    else
        out += "null";
}

} // namespace

void log(Level level, std::string_view event, std::initializer_list<LogField> fields) {
    std::string line;
    line.reserve(kUsualLine);
    line.append(R"({"time":")").append(rfc3339(now_ms()));
    line.append(R"(","level":")").append(level_name(level)).append(R"(","event":)");
    append_json_string(line, event);
    for (const LogField& field : fields) {
        line += ',';
        append_json_string(line, field.name);
        line += ':';
        if (const auto* text = std::get_if<std::string_view>(&field.value))
            append_json_string(line, *text);
        else if (const auto* number = std::get_if<std::int64_t>(&field.value))
            append_number(line, *number);
        else
            append_number(line, std::get<double>(field.value), std::chars_format::fixed, 3);
    }
    line += "}\n";
    lines().append(line, level != Level::info);
}

void flush_log() {
    lines().flush();
}

} // namespace npcchat
