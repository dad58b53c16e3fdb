#include "model/attempts.hpp"

#include <algorithm>

namespace npcchat {
namespace {

Attempts::Clock::time_point end_of_call(const Model& model, Attempts::Clock::time_point begun) {
    std::chrono::milliseconds longest{0};
    for (const ModelTarget& target : model.targets)
        longest = std::max(longest, target.timeouts.whole);
    return begun + longest;
}

} // namespace

Attempts::Attempts(const Model& model, Clock::time_point begun)
    : deadline_(end_of_call(model, begun)), backoff_(deadline_) {
    chain_.push_back({&model, {}, {}});
    for (const Model* fallback : model.fallbacks)
        chain_.push_back({fallback, {}, {}});
    for (Link& link : chain_) {
        link.left_out.resize(link.model->targets.size());
        link.ruled_out.resize(link.model->targets.size());
    }
}

Attempts::Step Attempts::next(Clock::time_point now, double random) {
    if (ended_ || now >= deadline_) return GiveUp();
    if (auto step = ask(TargetPool::Health::good, now)) return std::move(*step);
    if (!asked_any_) {
        // Better one that seems to be down than none.
        if (auto step = ask(TargetPool::Health::any, now)) return std::move(*step);
        if (is_full()) return Queue{chain_.front().model};
    }
    if (const auto wait = next_round(now, random)) return Wait{*wait};
    ended_ = true;
    return GiveUp();
}

std::optional<Attempts::Ask> Attempts::ask(TargetPool::Health health, Clock::time_point now) {
    for (std::size_t link = 0; link < chain_.size(); ++link) {
        const Model& model = *chain_[link].model;
        auto begun = model.pool->begin(chain_[link].left_out, health, now);
        if (!begun) continue;
        asked_any_ = true;
        asked_link_ = link;
        asked_target_ = begun->index;
        return Ask{&model, &model.targets[begun->index], std::move(begun->call)};
    }
    return std::nullopt;
}

void Attempts::failed(CallFailure failure, std::optional<std::chrono::seconds> retry_after) {
    Link& link = chain_[asked_link_];
    link.left_out[asked_target_] = true;
    const TryAgain again = try_again_after(failure);
    if (again == TryAgain::nowhere) ended_ = true;
    if (again == TryAgain::elsewhere) link.ruled_out[asked_target_] = true;
    if (again != TryAgain::anywhere) return;
    if (!retry_after)
        may_retry_soon_ = true;
    else
        retry_after_ = std::min(retry_after_.value_or(*retry_after), *retry_after);
}

std::optional<Attempts::Clock::duration> Attempts::next_round(Clock::time_point now, double random) {
    if (!may_retry_soon_ && !retry_after_) return std::nullopt;
    const auto wait = backoff_.next(now, may_retry_soon_ ? std::nullopt : retry_after_, random);
    if (!wait) return std::nullopt;
    for (Link& link : chain_)
        link.left_out = link.ruled_out;
    retry_after_.reset();
    may_retry_soon_ = false;
    return wait;
}

bool Attempts::is_full() const {
    return std::ranges::any_of(chain_,
                               [](const Link& link) { return link.model->pool->is_full(link.left_out); });
}

} // namespace npcchat
