#include "model/balancer.hpp"

#include <algorithm>
#include <cmath>

namespace npcchat {
namespace {

double remaining(std::chrono::duration<double> since) {
    return std::exp2(-since / RecentLatency::kHalfLife);
}

// For targets of which none is known: as quick as the quickest, for it must be tried to be known.
double quickest(std::span<const Candidate> candidates) {
    std::optional<double> least;
    for (const Candidate& candidate : candidates) {
        if (!candidate.usable || !candidate.latency) continue;
        least = std::min(least.value_or(*candidate.latency), *candidate.latency);
    }
    return least.value_or(Balancer::kLeastLatency);
}

double mean_weight(std::span<const Candidate> candidates) {
    double sum = 0;
    for (const Candidate& candidate : candidates)
        sum += candidate.weight;
    return sum / static_cast<double>(candidates.size());
}

double share_of(const Candidate& candidate, double unknown_latency, double mean_weight) {
    const double latency = std::max(candidate.latency.value_or(unknown_latency), Balancer::kLeastLatency);
    const double load = 1 + candidate.in_flight * mean_weight / candidate.weight;
    return candidate.weight / latency / (load * load);
}

} // namespace

void RecentLatency::observe(std::chrono::duration<double> latency, Clock::time_point now) {
    // A new observation counts for a quarter, and for more after a pause.
    const double old = known_ ? std::min(0.75, remaining(now - when_)) : 0;
    average_ = average_ * old + latency.count() * (1 - old);
    when_ = now;
    known_ = true;
}

std::optional<double> RecentLatency::at(Clock::time_point now) const {
    if (!known_) return std::nullopt;
    return average_ * remaining(std::max(now - when_, Clock::duration::zero()));
}

std::optional<std::size_t> Balancer::choose(std::span<const Candidate> candidates) {
    credits_.resize(candidates.size());
    if (candidates.empty()) return std::nullopt;
    const double unknown = quickest(candidates);
    const double mean = mean_weight(candidates);
    double sum = 0;
    for (const Candidate& candidate : candidates) {
        if (candidate.usable) sum += share_of(candidate, unknown, mean);
    }
    std::optional<std::size_t> chosen;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (!candidates[i].usable) continue;
        credits_[i] += share_of(candidates[i], unknown, mean) / sum;
        if (!chosen || credits_[i] > credits_[*chosen]) chosen = i;
    }
    if (chosen) credits_[*chosen] -= 1;
    return chosen;
}

} // namespace npcchat
