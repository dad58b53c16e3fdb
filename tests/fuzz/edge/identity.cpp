// Whose a key is, as a lookup answers it: three values, here joined by line feeds.
#include "identity.hpp"

#include "fuzz.hpp"

#include <string>

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = fuzz::text(data, size);
    std::string_view user = fuzz::take_until(rest, '\n');
    std::string_view role = fuzz::take_until(rest, '\n');
    std::string_view plan = rest;

    auto identity = parse_identity(user, role, plan);
    if (!identity) return 0;

    fuzz::require(identity->id >= 0 && role == role_name(identity->role));
    fuzz::require(!identity->name.empty() && identity->name.size() <= protocol::name_max);
    fuzz::require(identity->plan.size() <= protocol::plan_max);
    for (char c : identity->name)
        fuzz::require(c > ' ' && c < 0x7F && c != ':' && c != '"');

    // Written as the edge passes it on, it is read again as the same.
    std::string written = std::to_string(identity->id) + ":" + std::string(identity->name);
    auto again = parse_identity(written, role, identity->plan);
    fuzz::require(again && again->id == identity->id && again->name == identity->name);
    return 0;
}
