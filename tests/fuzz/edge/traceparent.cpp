// The traceparent header of a client.
#include "traceparent.hpp"

#include "fuzz.hpp"

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string_view text = fuzz::text(data, size);
    if (!is_traceparent(text)) return 0;

    // What is logged and passed on is fit for both.
    fuzz::require(text.size() >= traceparent_size);
    std::string_view id = text.substr(trace_id_begin, trace_id_size);
    fuzz::require(id.find_first_not_of(digits) == std::string_view::npos);
    fuzz::require(id.find_first_not_of('0') != std::string_view::npos);
    fuzz::require(text[trace_id_begin - 1] == '-' && text[trace_id_begin + trace_id_size] == '-');
    fuzz::require(!text.starts_with("00") || text.size() == traceparent_size);
    return 0;
}
