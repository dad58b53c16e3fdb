// Request ids of clients, which go into logs and answers.
#include "common/protocol.hpp"
#include "fuzz.hpp"

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    std::string_view text = fuzz::text(data, size);

    bool good = size >= 1 && size <= 128 && text.find_first_not_of(allowed) == std::string_view::npos;
    fuzz::require(protocol::is_request_id(text) == good);
    return 0;
}
