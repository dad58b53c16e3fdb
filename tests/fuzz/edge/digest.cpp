// Digests in hexadecimal, as the sidecar names keys that end.
#include "digest.hpp"

#include "fuzz.hpp"

#include <cctype>
#include <string>

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = fuzz::text(data, size);
    auto digest = parse_hex(text);
    bool good =
        size == digest_hex_size && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    fuzz::require(digest.has_value() == good);
    if (!digest) return 0;

    std::string written(digest_hex_size, '\0');
    write_hex(*digest, written.data());
    for (std::size_t i = 0; i < size; ++i)
        fuzz::require(written[i] == std::tolower(static_cast<unsigned char>(text[i])));
    return 0;
}
