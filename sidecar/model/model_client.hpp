// Calls to models: at one of their targets, at another where it fails, at a fallback model where all do, and
// once more after a while. Nothing of a call that failed is ever given out.
#pragma once

#include "model/attempts.hpp"
#include "model/model_stream.hpp"

namespace npcchat {

// An endpoint's answer as OpenAI would have given it.
struct RawAnswer {
    std::string body;
    Usage usage;
    std::string model; // of the table, that answered
};

// Every call may fail with 502: refused, failed, or answered with nothing that can be used; 503: the endpoint
// said 429 (with its Retry-After), or all of them are as busy as they may be; 504: timed out; 499: cancelled,
// at once; 422: the model's API has no words for the request. `cancellation` may be null.
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
    struct Order {
        const CompletionRequest& request;
        Cancellation* cancellation;
        Clock::time_point deadline; // of the whole call
    };
    // One attempt of a call.
    template <class T> using Once = Task<Tried<T>> (ModelClient::*)(const Attempts::Ask& ask, Order order);

    template <class T>
    Task<Result<T>> ask(const Model& model, const CompletionRequest& request, Cancellation* cancellation,
                        Once<T> once);
    Task<Tried<Completion>> complete_once(const Attempts::Ask& ask, Order order);
    Task<Tried<RawAnswer>> complete_raw_once(const Attempts::Ask& ask, Order order);
    Task<Tried<ModelStream>> stream_once(const Attempts::Ask& ask, Order order);
    Task<Tried<RawAnswer>> embed_once(const Attempts::Ask& ask, Order order);
    Task<Tried<std::string>> post(const Attempts::Ask& ask, std::string_view path, Order order);

    HttpClient& http_;
};

} // namespace npcchat
