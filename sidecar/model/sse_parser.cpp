#include "model/sse_parser.hpp"

#include <algorithm>
#include <utility>

namespace npcchat {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

} // namespace

void SseParser::push(std::string_view bytes) {
    if (too_long_) return;
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
    buffer_.append(bytes);
}

std::optional<SseEvent> SseParser::next() {
    while (const auto line = take_line()) {
        if (line->empty()) {
            if (auto event = take_event()) return event;
        } else {
            read_field(*line);
        }
        if (too_long_) break;
    }
    return std::nullopt;
}

std::optional<SseEvent> SseParser::rest() {
    if (begin_ < buffer_.size()) read_field(std::string_view(buffer_).substr(begin_));
    begin_ = searched_ = buffer_.size();
    if (too_long_) return std::nullopt;
    return take_event();
}

std::optional<std::string_view> SseParser::take_line() {
    if (after_cr_ && begin_ < buffer_.size()) {
        after_cr_ = false;
        if (buffer_[begin_] == '\n') searched_ = ++begin_;
    }
    const std::string_view unseen = std::string_view(buffer_).substr(searched_);
    std::size_t end = std::min(unseen.find('\n'), unseen.size());
    end = std::min(unseen.substr(0, end).find('\r'), end);
    searched_ += end;
    if (searched_ - begin_ > kMaxSize) {
        too_long_ = true;
        return std::nullopt;
    }
    if (end == unseen.size()) return std::nullopt;

    std::string_view line = std::string_view(buffer_).substr(begin_, searched_ - begin_);
    after_cr_ = unseen[end] == '\r';
    begin_ = ++searched_;
    if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark))
        line.remove_prefix(kByteOrderMark.size());
    return line;
}

void SseParser::read_field(std::string_view line) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data")
        add_data(value);
    else if (name == "event")
        type_ = value;
}

void SseParser::add_data(std::string_view line) {
    if (has_data_) data_ += '\n';
    has_data_ = true;
    data_ += line;
    too_long_ = too_long_ || data_.size() > kMaxSize;
}

std::optional<SseEvent> SseParser::take_event() {
    out_type_.swap(type_);
    type_.clear();
    if (!std::exchange(has_data_, false)) return std::nullopt;
    out_data_.swap(data_);
    data_.clear();
    return SseEvent{out_type_, out_data_};
}

} // namespace npcchat
