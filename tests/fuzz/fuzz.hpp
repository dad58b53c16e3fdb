// What fuzz targets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace npcchat::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// A finding: libFuzzer keeps the input and says where.
inline void require(bool holds) {
    if (!holds) std::abort();
}

/// Cuts off and returns what stands before the first `separator`, all where there is none.
inline std::string_view take_until(std::string_view& rest, char separator) {
    std::size_t end = rest.find(separator);
    std::string_view part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return part;
}

} // namespace npcchat::fuzz
