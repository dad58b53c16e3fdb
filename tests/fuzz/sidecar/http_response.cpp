// Answers over HTTP: the same ones however the bytes are split, and never more of a body than was sent.
#include "fuzz.hpp"
#include "io/http_response_parser.hpp"

using namespace npcchat;

namespace {

struct Read {
    bool good = true, ended = false, ended_well = false;
    int status = 0;
    std::string body;
    bool operator==(const Read&) const = default;
};

/// `step`: bytes of a piece.
Read read(std::string_view text, std::size_t step) {
    HttpResponseParser parser;
    Read read;
    for (std::size_t at = 0; at < text.size() && read.good; at += step)
        read.good = parser.push(text.substr(at, step), read.body);
    read.ended = parser.ended();
    read.status = parser.status();
    read.ended_well = read.good && parser.push_end();
    fuzz::require(read.ended_well || !read.good || !read.ended);
    return read;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text(data, size);
    if (text.empty()) return 0;
    const Read whole = read(text, text.size());
    fuzz::require(whole.body.size() <= text.size());
    for (std::size_t step : {1, 2, 3, 7}) {
        const Read pieces = read(text, step);
        fuzz::require(pieces.good == whole.good);
        fuzz::require(!whole.good || pieces == whole);
    }
    return 0;
}
