#include "model/target_pool.hpp"

#include <algorithm>

namespace npcchat {
namespace {

bool is_left_out(const std::vector<bool>& without, std::size_t index) {
    return index < without.size() && without[index];
}

} // namespace

TargetState::Call::~Call() {
    if (!target_) return;
    {
        const std::scoped_lock lock(target_->mutex_);
        --target_->in_flight_;
        if (!reported_) target_->breaker_.was_cancelled(of_breaker_);
    }
    if (queue_) queue_->wake_one();
}

void TargetState::Call::answered(Clock::time_point now) {
    const std::scoped_lock lock(target_->mutex_);
    target_->latency_.observe(now - begun_, now);
    target_->breaker_.succeeded(of_breaker_, now);
    ++target_->answered_;
    reported_ = true;
}

void TargetState::Call::failed(CallFailure failure, std::optional<std::chrono::seconds> retry_after,
                               Clock::time_point now) {
    const std::scoped_lock lock(target_->mutex_);
    ++target_->failed_[static_cast<std::size_t>(failure)];
    if (failure == CallFailure::timed_out && !reported_) target_->latency_.observe(now - begun_, now);
    const Breaker::Call call = reported_ ? Breaker::Call() : of_breaker_;
    if (failure == CallFailure::refused_request)
        target_->breaker_.succeeded(call, now); // well enough to find fault with a request
    else if (failure == CallFailure::busy)
        target_->breaker_.was_cancelled(call);
    else
        target_->breaker_.failed(call, now);
    if (retry_after) target_->breaker_.rest_until(now + *retry_after);
    reported_ = true;
}

TargetState::Report TargetState::report(Clock::time_point now) const {
    const std::scoped_lock lock(mutex_);
    return Report{breaker_.state(now), in_flight_, answered_, failed_};
}

std::optional<TargetPool::Begun> TargetPool::begin(const std::vector<bool>& without, Health health,
                                                   Clock::time_point now) {
    const std::scoped_lock lock(mutex_);
    const auto index = choose(without, health, now);
    if (!index) return std::nullopt;
    const std::shared_ptr<TargetState>& state = targets_[*index].state;
    const std::scoped_lock state_lock(state->mutex_);
    ++state->in_flight_;
    return Begun{*index, TargetState::Call(state, targets_[*index].concurrency > 0 ? queue_ : nullptr,
                                           state->breaker_.began(), now)};
}

std::optional<std::size_t> TargetPool::choose(const std::vector<bool>& without, Health health,
                                              Clock::time_point now) {
    std::vector<Candidate> candidates;
    std::optional<std::size_t> soonest;
    Clock::time_point reopens = Clock::time_point::max();
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        const Target& target = targets_[i];
        const std::scoped_lock lock(target.state->mutex_);
        const bool has_place = target.concurrency == 0 || target.state->in_flight_ < target.concurrency;
        const bool may = has_place && !is_left_out(without, i);
        candidates.push_back({may && target.state->breaker_.allows(now), target.weight,
                              target.state->in_flight_, target.state->latency_.at(now)});
        if (may && target.state->breaker_.open_until() < reopens) {
            soonest = i;
            reopens = target.state->breaker_.open_until();
        }
    }
    return health == Health::good ? balancer_.choose(candidates) : soonest;
}

bool TargetPool::is_full(const std::vector<bool>& without) const {
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        if (is_left_out(without, i) || targets_[i].concurrency == 0) continue;
        const std::scoped_lock lock(targets_[i].state->mutex_);
        if (targets_[i].state->in_flight_ >= targets_[i].concurrency) return true;
    }
    return false;
}

} // namespace npcchat
