// Request targets: a canonical path is read in one way only, by nginx and by the sidecar.
#include "common/path.hpp"
#include "fuzz.hpp"

#include <string>

using namespace npcchat;

namespace {

/// Encodes what may not stand in a path as it is, and nothing else.
std::string encode(std::string_view decoded) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (char c : decoded) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '/' || is_unreserved(byte)) {
            out += c;
        } else {
            out += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view target = fuzz::text(data, size);
    std::string_view path = target_path(target);
    fuzz::require(target.starts_with(path) && path.find('?') == std::string_view::npos);

    std::string decoded(path.size(), '\0');
    std::size_t written = percent_decode(path, decoded.data());
    if (written != malformed_percent) {
        fuzz::require(written <= path.size());
        decoded.resize(written);
    }
    if (!is_canonical_path(path)) return 0;

    fuzz::require(written != malformed_percent && decoded.starts_with('/'));
    fuzz::require(decoded.find('\0') == std::string::npos);
    std::string_view rest = std::string_view(decoded).substr(1);
    while (!rest.empty()) {
        bool last = rest.find('/') == std::string_view::npos;
        std::string_view segment = fuzz::take_until(rest, '/');
        fuzz::require(segment != "." && segment != ".." && (last || !segment.empty()));
    }

    // Encoded anew it is canonical again, unless a byte may not be encoded at all, and means the same.
    std::string encoded = encode(decoded);
    if (decoded.find('\\') == std::string::npos) fuzz::require(is_canonical_path(encoded));
    fuzz::require(percent_decode(encoded, encoded.data()) == written && encoded.starts_with(decoded));
    return 0;
}
