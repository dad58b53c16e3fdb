// Calls to models, counted however they end.
#pragma once

#include "chat/spending.hpp"
#include "model/model_client.hpp"
#include "services.hpp"

namespace npcchat {

// The model of this name (empty: the default), or 404.
Result<ModelPtr> find_model(const Services& services, const std::string& name);

// The same for a user, whose plan may allow some models only: 403 for another. Where none is named and the
// default is not among them, the first that is.
Task<Result<ModelPtr>> find_model_for(Services& services, UserId user_id, const RequestPlan& plan,
                                      const std::string& name);

// How much of the model's context a prompt may fill.
Budget budget_for(const Services& services, const Model& model);

// What a call has cost that ended without an answer: where the client left, the model had the prompt.
Usage used_before_an_answer(const Error& error, const CompletionRequest& request);

// Counts one call from its making on, and traces it.
class CountedCall {
  public:
    CountedCall(Services& services, Spending& spending, ModelOperation operation = ModelOperation::chat)
        : services_(services), spending_(spending), operation_(operation) {}

    // A stream has said something.
    void began() { first_token_at_ = Clock::now(); }
    // `model`: the name of the one that answered.
    void succeeded(const std::string& model, const Usage& used);
    // `used`: as far as it came. Where the client left, that is no failure of the endpoint.
    void failed(const std::string& model, const Error& error, const Usage& used);

  private:
    // `status`: of the error, 0 for none.
    void end(const std::string& model, const Usage& used, int status);
    void trace(const std::string& model, const Usage& used, int status) const;

    Services& services_;
    Spending& spending_;
    const ModelOperation operation_;
    Clock::time_point begun_ = Clock::now();
    std::optional<Clock::time_point> first_token_at_;
};

// A whole completion. `cancellation` may be null.
Task<Result<Completion>> call_model(Services& services, Spending& spending, const Model& model,
                                    const CompletionRequest& request, Cancellation* cancellation);

} // namespace npcchat
