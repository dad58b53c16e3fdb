// The best of many.
#pragma once

#include "knowledge/fusion.hpp"

#include <algorithm>
#include <unordered_set>

namespace npcchat {

inline bool is_better(const Ranked& left, const Ranked& right) {
    return left.score != right.score ? left.score > right.score : left.id < right.id;
}

// The `most` best of several lists together, which have nothing in common; best first.
inline std::vector<Ranked> merge_best(const std::vector<std::vector<Ranked>>& lists, std::size_t most) {
    std::vector<Ranked> all;
    for (const auto& list : lists)
        all.insert(all.end(), list.begin(), list.end());
    std::ranges::sort(all, is_better);
    if (all.size() > most) all.resize(most);
    return all;
}

// Keeps the `most` best of all that it is given; `found` before counts as given.
class Best {
  public:
    Best(std::vector<Ranked> found, std::size_t most) : most_(most), found_(std::move(found)) {
        std::ranges::make_heap(found_, is_better);
    }

    bool takes(double score) const {
        return found_.size() < most_ || (most_ > 0 && score > found_.front().score);
    }

    void add(std::int64_t id, double score) {
        if (found_.size() == most_) {
            std::ranges::pop_heap(found_, is_better);
            found_.pop_back();
        }
        found_.push_back({id, score});
        std::ranges::push_heap(found_, is_better);
    }

    // Best first, each once.
    std::vector<Ranked> take() {
        std::ranges::sort(found_, is_better);
        std::unordered_set<std::int64_t> seen;
        std::erase_if(found_, [&](const Ranked& one) { return !seen.insert(one.id).second; });
        return std::move(found_);
    }

  private:
    std::size_t most_;
    std::vector<Ranked> found_; // a heap with the worst in front
};

} // namespace npcchat
