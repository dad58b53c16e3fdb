// One order out of several.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace npcchat {

struct Ranked {
    std::int64_t id = 0;
    double score = 0;
};

struct Ranking {
    std::span<const std::int64_t> ids; // best first, none twice
    double weight = 1;
};

// Weighted reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): each ranking gives what it has weight /
// (60 + rank). Best first, lower ids first among equals.
std::vector<Ranked> fuse(std::span<const Ranking> rankings);

} // namespace npcchat
