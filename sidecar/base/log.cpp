#include "base/log.hpp"

#include "base/clock.hpp"
#include "base/json.hpp"

#include <fmt/format.h>
#include <mutex>
#include <string>
#include <unistd.h>

namespace npcchat {
namespace {

constexpr std::size_t kBufferSize = 64 * 1024;

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

} // namespace

void log(Level level, std::string_view event, std::initializer_list<LogField> fields) {
    std::string line =
        fmt::format(R"({{"time":"{}","level":"{}","event":)", rfc3339(now_ms()), level_name(level));
    append_json_string(line, event);
    for (const LogField& field : fields) {
        line += ',';
        append_json_string(line, field.name);
        line += ':';
        if (const auto* text = std::get_if<std::string_view>(&field.value))
            append_json_string(line, *text);
        else if (const auto* number = std::get_if<std::int64_t>(&field.value))
            line += std::to_string(*number);
        else
            line += fmt::format("{:.3f}", std::get<double>(field.value));
    }
    line += "}\n";
    lines().append(line, level != Level::info);
}

void flush_log() {
    lines().flush();
}

} // namespace npcchat
