// Paths that may have keys in them, as they are written into logs.
#include "mask.hpp"

#include "fuzz.hpp"

#include <string>

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::size_t room = data[0];
    std::string_view text = fuzz::text(data + 1, size - 1);

    std::string masked(text.size(), '\0');
    masked.resize(mask_keys(text, masked.data(), masked.size()));
    fuzz::require(!has_key_like(masked));
    fuzz::require(has_key_like(text) || masked == text);

    // With less room it is the same, but shorter.
    if (room < text.size()) {
        std::string cut(room, '\0');
        cut.resize(mask_keys(text, cut.data(), room));
        fuzz::require(masked.starts_with(cut) && cut.size() == (room < masked.size() ? room : masked.size()));
    }

    if (auto user = find_history_user(text)) {
        fuzz::require(text.starts_with("/chat/") && user->size > 0 && user->begin + user->size < text.size());
        std::string_view name = text.substr(user->begin, user->size);
        fuzz::require(user->single == (name.find('/') == std::string_view::npos));
    }
    return 0;
}
