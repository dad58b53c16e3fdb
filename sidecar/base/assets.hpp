// Files that the build put into the program (see npcchat_embed in CMakeLists.txt).
#pragma once

#include <span>
#include <string_view>

namespace npcchat {

struct Asset {
    std::string_view name; // e.g. "sql/common/0003_keys_and_npcs.sql"
    std::string_view data;
};

std::span<const Asset> assets(); // sorted by name

// The asset's data, or an empty view where there is none of that name.
std::string_view find_asset(std::string_view name);

} // namespace npcchat
