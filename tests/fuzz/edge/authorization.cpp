// The value of an Authorization header.
#include "authorization.hpp"
#include "fuzz.hpp"

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view value = fuzz::text(data, size);
    Authorization parsed = parse_authorization(value);

    if (!parsed.key.empty()) {
        fuzz::require(parsed.ours && parsed.key.size() <= protocol::key_max);
        // The key is the end of the value, and whole.
        fuzz::require(value.ends_with(parsed.key));
        for (char c : parsed.key)
            fuzz::require(c > ' ' && c < 0x7F);
        Authorization again = parse_authorization(parsed.key);
        fuzz::require(again.ours && again.key == parsed.key);
    }
    if (value.find(' ') == std::string_view::npos) fuzz::require(parsed.ours);
    return 0;
}
