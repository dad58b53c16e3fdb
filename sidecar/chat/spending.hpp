// What a request uses of its user's tokens: reserved before the model is asked, settled and written down when
// the request ends, however it ends.
#pragma once

#include "account/plan.hpp"
#include "model/openai_wire.hpp"
#include "services.hpp"

namespace npcchat {

// How much of an answer a request asks for.
struct AnswerBound {
    std::optional<std::int64_t> tokens; // of each choice; nothing, where that is left open
    std::int64_t choices = 1;
};

class Spending {
  public:
    // `trace`: the request's, of which its calls are part.
    Spending(Services& services, UserId user_id, const RequestPlan& plan, std::optional<TraceContext> trace);
    ~Spending() { end(); }
    Spending(const Spending&) = delete;
    Spending& operator=(const Spending&) = delete;

    // Begins to reserve, where the plan limits anything, and does not wait for it. `prompt`: tokens that the
    // prompt has at least.
    Task<void> begin(std::int64_t prompt, const AnswerBound& answer);
    // The same for what is never refused, and may leave debts.
    Task<void> begin_anyway(std::int64_t prompt);
    // How that ended: 429, 503.
    Task<Result<void>> granted();

    // A call has ended, of the model of this name.
    void used(const std::string& model, const Usage& usage);

    const std::optional<TraceContext>& trace() const { return trace_; }

    // Nothing more will be used: settles, without waiting for it.
    void end();
    // The same, and waits: who is answered after it can go on at once.
    Task<void> settled();

  private:
    struct State;
    Task<void> begin(TokenEstimate estimate);
    static Task<void> keep(Services& services, std::shared_ptr<State> state, TokenEstimate estimate);

    Services& services_;
    UserId user_id_;
    TokenLimits limits_;
    std::optional<TraceContext> trace_;
    std::shared_ptr<State> state_; // null where nothing is reserved
};

} // namespace npcchat
