// Percent-encoding (RFC 3986, 2.1) of single components.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace npcchat {

// Nothing, where a `%` is malformed. `+` stays.
std::optional<std::string> decode_component(std::string_view text);

// Encodes all but `A-Za-z0-9_.@-`: the form of names in headers between edge and sidecar.
std::string encode_name(std::string_view name);

} // namespace npcchat
