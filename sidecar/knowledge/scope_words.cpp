#include "knowledge/scope_words.hpp"

#include "knowledge/best.hpp"

#include <cmath>

namespace npcchat {
namespace {

// A posting: a chunk's number, and in the lowest bits how often the chunk has the word.
constexpr unsigned kTimesBits = 6;
constexpr std::uint32_t kMostTimes = (1U << kTimesBits) - 1;
constexpr std::size_t kMostChunks = std::size_t{1} << (32 - kTimesBits);

// One question looks at no more: less than a millisecond's work.
constexpr std::size_t kMostPostings = 300'000;
// What a word takes beside its postings, and a posting with what a vector has to spare.
constexpr std::size_t kWordBytes = 88;
constexpr std::size_t kPostingBytes = 6;

// Beyond, what is gone is counted for too much.
constexpr std::size_t kMaxGonePart = 4;
constexpr std::size_t kAlwaysGone = 1000;

constexpr double kSaturation = 1.2;  // k1
constexpr double kLengthPart = 0.75; // b

} // namespace

void ScopeWords::add(std::int64_t chunk_id, const std::vector<CountedWord>& words) {
    const std::lock_guard lock(mutex_);
    if (ids_.size() == kMostChunks) return;
    const auto number = static_cast<std::uint32_t>(ids_.size());
    std::uint32_t length = 0;
    for (const auto& [word, times] : words) {
        postings_[word].push_back(number << kTimesBits | std::min(times, kMostTimes));
        length += times;
    }
    ids_.push_back(chunk_id);
    lengths_.push_back(length);
    words_ += length;
    postings_count_ += words.size();
}

std::size_t ScopeWords::size() const {
    const std::lock_guard lock(mutex_);
    return ids_.size();
}

std::size_t ScopeWords::bytes() const {
    const std::lock_guard lock(mutex_);
    return ids_.size() * (sizeof(std::int64_t) + sizeof(std::uint32_t)) + postings_.size() * kWordBytes +
           postings_count_ * kPostingBytes;
}

bool ScopeWords::remove(const std::vector<std::int64_t>& chunk_ids) {
    const std::lock_guard lock(mutex_);
    gone_.insert(chunk_ids.begin(), chunk_ids.end());
    return gone_.size() > std::max(kAlwaysGone, ids_.size() / kMaxGonePart);
}

void ScopeWords::count(std::vector<Term>& terms) const {
    const std::lock_guard lock(mutex_);
    for (Term& term : terms) {
        if (const auto found = postings_.find(term.word); found != postings_.end())
            term.chunks += found->second.size();
    }
}

std::vector<Ranked> ScopeWords::rank(const std::vector<Term>& terms, double mean, std::size_t most) const {
    const std::lock_guard lock(mutex_);
    std::vector<float> scores(ids_.size());
    const auto base = static_cast<float>(kSaturation * (1 - kLengthPart));
    const auto slope = static_cast<float>(kSaturation * kLengthPart / mean);
    for (const Term& term : terms) {
        const auto found = postings_.find(term.word);
        if (found == postings_.end()) continue;
        const auto weight = static_cast<float>(term.weight * (kSaturation + 1));
        for (const std::uint32_t posting : found->second) {
            const std::size_t number = posting >> kTimesBits;
            const auto times = static_cast<float>(posting & kMostTimes);
            scores[number] += weight * times / (times + base + slope * static_cast<float>(lengths_[number]));
        }
    }
    Best best({}, most);
    for (std::size_t number = 0; number < scores.size(); ++number) {
        const double score = scores[number];
        if (score > 0 && best.takes(score) && !gone_.contains(ids_[number])) best.add(ids_[number], score);
    }
    return best.take();
}

std::vector<Ranked> ScopeWords::best(const std::vector<std::shared_ptr<ScopeWords>>& scopes,
                                     std::vector<std::uint64_t> words, std::size_t most) {
    std::ranges::sort(words);
    words.erase(std::ranges::unique(words).begin(), words.end());
    std::vector<Term> terms;
    for (const std::uint64_t word : words)
        terms.push_back({word, 0, 0});
    double chunks = 0;
    double length = 0;
    for (const auto& scope : scopes) {
        scope->count(terms);
        const std::lock_guard lock(scope->mutex_);
        chunks += static_cast<double>(scope->ids_.size());
        length += static_cast<double>(scope->words_);
    }
    std::erase_if(terms, [](const Term& term) { return term.chunks == 0; });
    std::ranges::sort(terms, {}, &Term::chunks);
    std::size_t looked_at = 0;
    for (std::size_t i = 0; i < terms.size(); ++i) {
        looked_at += terms[i].chunks;
        if (i > 0 && looked_at > kMostPostings) terms.resize(i);
    }
    for (Term& term : terms) {
        const auto having = static_cast<double>(term.chunks);
        term.weight = std::log1p(std::max(0.0, chunks - having + 0.5) / (having + 0.5));
    }
    const double mean = std::max(1.0, length / std::max(1.0, chunks));
    std::vector<std::vector<Ranked>> lists;
    for (const auto& scope : scopes)
        lists.push_back(scope->rank(terms, mean, most));
    return merge_best(lists, most);
}

} // namespace npcchat
