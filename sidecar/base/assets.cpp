#include "base/assets.hpp"

#include <algorithm>

namespace npcchat {

std::string_view find_asset(std::string_view name) {
    const auto all = assets();
    const auto found = std::ranges::lower_bound(all, name, {}, &Asset::name);
    return found != all.end() && found->name == name ? found->data : std::string_view();
}

} // namespace npcchat
