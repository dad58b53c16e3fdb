// A call to a model, counted.
#pragma once

#include "model/model_client.hpp"
#include "services.hpp"

namespace npcchat {

// The model of this name (empty: the default), or 404.
Result<const Model*> find_model(const Services& services, const std::string& name);

// Calls the model and counts the call, its time and its tokens, also of calls whose answer is of no use.
Task<Result<Completion>> call_model(Services& services, const Model& model,
                                    const std::vector<ChatMessage>& prompt);

// How much of the model's context a prompt may fill.
Budget budget_for(const Services& services, const Model& model);

} // namespace npcchat
