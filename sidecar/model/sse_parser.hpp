// Server-sent events as they come in (WHATWG HTML, 9.2.6), without the wire.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace npcchat {

struct SseEvent {
    std::string_view type; // empty: "message"
    std::string_view data; // its lines joined by newlines
};

// Lines end in CRLF, LF or CR; comments, `id` and `retry` are skipped, as is an event without data.
class SseParser {
  public:
    // Bytes of a line, and of an event's data.
    static constexpr std::size_t kMaxSize = 1024UL * 1024;

    // Bytes split anywhere. Ends the views of the events before.
    void push(std::string_view bytes);

    // The next whole event; nothing where more bytes are needed, or too_long(). Its views live until the next
    // call.
    std::optional<SseEvent> next();

    // After the last push(): the event that lacks its blank line, as some endpoints end.
    std::optional<SseEvent> rest();

    // A line or an event was over its bound: nothing comes any more.
    bool too_long() const { return too_long_; }

  private:
    std::optional<std::string_view> take_line();
    std::optional<SseEvent> take_event();
    void read_field(std::string_view line);
    void add_data(std::string_view line);

    std::string buffer_;       // from the line that is being read on
    std::size_t begin_ = 0;    // of that line
    std::size_t searched_ = 0; // up to where it has no end
    bool first_line_ = true;
    bool after_cr_ = false; // a LF that comes next belongs to the line before
    bool too_long_ = false;

    std::string type_;
    std::string data_;
    bool has_data_ = false;
    std::string out_type_; // of the event that was given out
    std::string out_data_;
};

} // namespace npcchat
