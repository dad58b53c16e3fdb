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

// Counts one call from its making on.
class CountedCall {
  public:
    CountedCall(Metrics& metrics, Spending& spending) : metrics_(metrics), spending_(spending) {}

    // `model`: the name of the one that answered.
    void succeeded(const std::string& model, const Usage& used);
    // `used`: as far as it came. Where the client left, that is no failure of the endpoint.
    void failed(const std::string& model, const Error& error, const Usage& used);

  private:
    void end(const std::string& model, const Usage& used);

    Metrics& metrics_;
    Spending& spending_;
    Clock::time_point begun_ = Clock::now();
};

// A whole completion. `cancellation` may be null.
Task<Result<Completion>> call_model(Services& services, Spending& spending, const Model& model,
                                    const CompletionRequest& request, Cancellation* cancellation);

} // namespace npcchat
