#include "chat/tokens.hpp"

#include "base/utf8.hpp"

#include <algorithm>
#include <limits>

namespace npcchat {
namespace {

// In quarters of a token.
std::size_t byte_cost(char byte) {
    return static_cast<unsigned char>(byte) < 0x80 ? 1 : 2;
}

} // namespace

std::size_t estimate_quarters(std::string_view text) {
    std::size_t quarters = 0;
    // Sums of a byte over blocks: the compiler adds up many at once.
    constexpr std::size_t kBlock = 64;
    while (!text.empty()) {
        unsigned char sum = 0;
        const std::string_view block = text.substr(0, kBlock);
        for (const char byte : block)
            sum += static_cast<unsigned char>(byte_cost(byte));
        quarters += sum;
        text.remove_prefix(block.size());
    }
    return quarters;
}

std::size_t estimate_tokens(std::string_view text) {
    return (estimate_quarters(text) + kQuartersPerToken - 1) / kQuartersPerToken;
}

std::size_t bytes_within(std::string_view text, std::size_t tokens) {
    std::size_t left = std::min(tokens, std::numeric_limits<std::size_t>::max() / kQuartersPerToken);
    left *= kQuartersPerToken;
    std::size_t size = 0;
    for (; size < text.size() && byte_cost(text[size]) <= left; ++size)
        left -= byte_cost(text[size]);
    return utf8_floor(text, size);
}

} // namespace npcchat
