// Server-sent events: the same ones however the bytes are split, and never more than was sent.
#include "fuzz.hpp"
#include "model/sse_parser.hpp"

#include <vector>

using namespace npcchat;

namespace {

struct Seen {
    std::string type;
    std::string data;
    bool operator==(const Seen&) const = default;
};

void take_all(SseParser& parser, std::vector<Seen>& seen) {
    while (const auto event = parser.next())
        seen.push_back({std::string(event->type), std::string(event->data)});
}

/// `step`: bytes of a piece; 0: all at once.
std::vector<Seen> parse(std::string_view text, std::size_t step) {
    SseParser parser;
    std::vector<Seen> seen;
    for (std::size_t at = 0; at < text.size(); at += step == 0 ? text.size() : step) {
        parser.push(text.substr(at, step == 0 ? text.npos : step));
        take_all(parser, seen);
    }
    if (const auto event = parser.rest())
        seen.push_back({std::string(event->type), std::string(event->data)});
    return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = fuzz::text(data, size);
    const std::vector<Seen> whole = parse(text, 0);
    std::size_t bytes = 0;
    for (const Seen& event : whole) {
        bytes += event.data.size() + event.type.size();
        fuzz::require(event.data.find('\r') == std::string::npos &&
                      event.type.find('\n') == std::string::npos);
    }
    fuzz::require(bytes <= text.size());
    for (std::size_t step : {1, 2, 3, 7})
        fuzz::require(parse(text, step) == whole);
    return 0;
}
