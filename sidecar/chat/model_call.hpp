// Calls to models, counted however they end.
#pragma once

#include "model/model_client.hpp"
#include "services.hpp"

namespace npcchat {

// The model of this name (empty: the default), or 404.
Result<ModelPtr> find_model(const Services& services, const std::string& name);

// How much of the model's context a prompt may fill.
Budget budget_for(const Services& services, const Model& model);

// What a call has cost that failed without an answer: where it was cut off, the prompt was read.
Usage used_before_an_answer(const Error& error, const CompletionRequest& request);

// Counts one call from its making on.
class CountedCall {
  public:
    explicit CountedCall(Metrics& metrics) : metrics_(metrics) {}

    void succeeded(const Usage& used);
    // `used`: as far as it came. Where the client left, that is no failure of the endpoint.
    void failed(const Error& error, const Usage& used);

  private:
    void end(const Usage& used);

    Metrics& metrics_;
    Clock::time_point begun_ = Clock::now();
};

// A whole completion. `cancellation` may be null.
Task<Result<Completion>> call_model(Services& services, const Model& model, const CompletionRequest& request,
                                    Cancellation* cancellation);

} // namespace npcchat
