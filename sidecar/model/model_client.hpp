// Calls to model endpoints that speak OpenAI's API.
#pragma once

#include "model/model_stream.hpp"
#include "model/model_table.hpp"

namespace npcchat {

// An endpoint's answer as it came.
struct RawAnswer {
    std::string body;
    Usage usage;
};

// Every call may fail with 502: refused, failed, or answered with nothing that can be used; 503: the endpoint
// said 429 (with its Retry-After); 504: timed out; 499: cancelled, at once. `cancellation` may be null.
class ModelClient {
  public:
    explicit ModelClient(HttpClient& http) : http_(http) {}

    // A whole completion, its usage estimated where the endpoint does not say.
    Task<Result<Completion>> complete(const Model& model, const CompletionRequest& request,
                                      Cancellation* cancellation);
    // The same as it came, with any number of choices.
    Task<Result<RawAnswer>> complete_raw(const Model& model, const CompletionRequest& request,
                                         Cancellation* cancellation);
    // Returns when the first chunk that says something has come, or the stream has ended.
    Task<Result<ModelStream>> stream(const Model& model, const CompletionRequest& request,
                                     Cancellation* cancellation);
    // `request` is one for embeddings.
    Task<Result<RawAnswer>> embed(const Model& model, const CompletionRequest& request,
                                  Cancellation* cancellation);

  private:
    Task<Result<std::string>> post(const Model& model, std::string_view path,
                                   const CompletionRequest& request, Cancellation* cancellation);

    HttpClient& http_;
};

} // namespace npcchat
