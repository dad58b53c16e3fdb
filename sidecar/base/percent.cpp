#include "base/percent.hpp"

#include "common/path.hpp"

#include <fmt/format.h>

namespace npcchat {

std::optional<std::string> decode_component(std::string_view text) {
    std::string decoded(text.size(), '\0');
    const std::size_t size = percent_decode(text, decoded.data());
    if (size == malformed_percent) return std::nullopt;
    decoded.resize(size);
    return decoded;
}

std::string encode_name(std::string_view name) {
    std::string encoded;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (is_unreserved(byte) && c != '~') || c == '@';
        if (plain)
            encoded.push_back(c);
        else
            fmt::format_to(std::back_inserter(encoded), "%{:02X}", byte);
    }
    return encoded;
}

} // namespace npcchat
