#include "knowledge/fusion.hpp"

#include <algorithm>
#include <unordered_map>

namespace npcchat {

std::vector<Ranked> fuse(std::span<const Ranking> rankings) {
    constexpr double kOffset = 60;
    std::unordered_map<std::int64_t, double> scores;
    for (const Ranking& ranking : rankings) {
        for (std::size_t i = 0; i < ranking.ids.size(); ++i)
            scores[ranking.ids[i]] += ranking.weight / (kOffset + static_cast<double>(i) + 1);
    }
    std::vector<Ranked> fused;
    fused.reserve(scores.size());
    for (const auto& [id, score] : scores)
        fused.push_back({id, score});
    std::ranges::sort(fused, [](const Ranked& left, const Ranked& right) {
        return left.score != right.score ? left.score > right.score : left.id < right.id;
    });
    return fused;
}

} // namespace npcchat
