// Memory that is looked at here and there: with pages of 4 KiB, finding the page takes longer than reading
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/mman.h>

namespace npcchat {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Asks for huge pages where whole ones lie in the range. Without them it works as well, slower.
inline void prefer_huge_pages(void* begin, std::size_t bytes) {
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    const std::uintptr_t first = (address + kHugePage - 1) / kHugePage * kHugePage;
    const std::uintptr_t end = (address + bytes) / kHugePage * kHugePage;
    if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
}

} // namespace npcchat
