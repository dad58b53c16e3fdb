// One call to a model, over all that can be asked: its targets, its fallback models, once more after a while.
//
// It decides and does nothing itself: who makes the call asks for the next step, takes it, and tells how it
// ended.
#pragma once

#include "model/model_table.hpp"
#include "model/retry.hpp"

#include <variant>
#include <vector>

namespace npcchat {

class Attempts {
  public:
    using Clock = std::chrono::steady_clock;

    // The model's table outlives this.
    Attempts(const Model& model, Clock::time_point begun);

    struct Ask {
        const Model* model = nullptr; // the one that was named, or a fallback
        const ModelTarget* target = nullptr;
        TargetState::Call call;
    };
    struct Wait {
        Clock::duration time;
    };
    // All that could be asked have as many calls as they may have: wait for the pool of this model.
    struct Queue {
        const Model* model = nullptr;
    };
    struct GiveUp {};
    using Step = std::variant<Ask, Wait, Queue, GiveUp>;

    // What to do now, at first and after `failed`. `random` is from 0 to 1.
    Step next(Clock::time_point now, double random);

    // How the last Ask ended, of which nothing has reached the client.
    void failed(CallFailure failure, std::optional<std::chrono::seconds> retry_after);

    // The end of the whole call: the longest `whole` of the model's own targets.
    Clock::time_point deadline() const { return deadline_; }

  private:
    struct Link {
        const Model* model;
        std::vector<bool> left_out; // in this round
        std::vector<bool> ruled_out;
    };

    std::optional<Ask> ask(TargetPool::Health health, Clock::time_point now);
    std::optional<Clock::duration> next_round(Clock::time_point now, double random);
    bool is_full() const;

    std::vector<Link> chain_; // the model, then its fallbacks
    Clock::time_point deadline_;
    Backoff backoff_;
    std::size_t asked_link_ = 0;
    std::size_t asked_target_ = 0;
    bool asked_any_ = false;
    bool ended_ = false;
    // The least that all who may be asked again have asked to wait; nothing, where one has not.
    std::optional<std::chrono::seconds> retry_after_;
    bool may_retry_soon_ = false;
};

} // namespace npcchat
