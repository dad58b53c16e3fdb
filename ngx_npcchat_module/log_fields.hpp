// What the sidecar tells the edge's log of a request: the value of X-Npcchat-Log.
#pragma once

#include "common/slice.hpp"

#include <string_view>

namespace npcchat {

/// The value of a field of `<name>=<value>[;<name>=<value>…]`, still percent-encoded; empty where there is
/// none.
constexpr std::string_view log_field(std::string_view text, std::string_view name) noexcept {
    while (!text.empty()) {
        std::size_t end = text.find(';');
        std::string_view field = slice(text, 0, end);
        text = end == std::string_view::npos ? std::string_view{} : slice(text, end + 1);
        if (field.size() > name.size() && field[name.size()] == '=' && field.starts_with(name))
            return slice(field, name.size() + 1);
    }
    return {};
}

} // namespace npcchat
