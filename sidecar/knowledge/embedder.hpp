// Calls to an embedder and a reranker that speak text-embeddings-inference's API, for one event loop.
// https://huggingface.github.io/text-embeddings-inference/
#pragma once

#include "base/error.hpp"
#include "io/http_client.hpp"

#include <string>
#include <vector>

namespace npcchat {

// What a model wants to stand before a question, and not before the texts that it looks for.
std::string_view query_prefix(std::string_view model);

class Embedder {
  public:
    // Texts that one call may have, as the server has it by default.
    static constexpr std::size_t kMaxTexts = 32;

    // Full URLs, empty where there is none.
    Embedder(HttpClient& http, std::string embed_url, std::string rerank_url)
        : http_(http), embed_url_(std::move(embed_url)), rerank_url_(std::move(rerank_url)) {}

    bool embeds() const { return !embed_url_.empty(); }
    bool reranks() const { return !rerank_url_.empty(); }

    // A vector for each text, all of the same number of dimensions, within `limit`; texts that are too long
    // for the model are cut by it. At most kMaxTexts. 502: refused, malformed, or not one for each; 413:
    // refused for their number or length, fewer may pass; 503: not there or busy; 504: too slow.
    Task<Result<std::vector<std::vector<float>>>> embed(const std::vector<std::string>& texts,
                                                        std::chrono::milliseconds limit);

    // The same for as many texts as there are, in as many calls: each of half as many texts where they are
    // refused for their number.
    Task<Result<std::vector<std::vector<float>>>> embed_all(const std::vector<std::string>& texts,
                                                            std::chrono::milliseconds limit_of_a_call);

    // What the server calls its model; empty where it does not say.
    Task<std::string> model_name();

    // How well each of the texts answers the query, in their order: the higher the better. Errors as of
    // embed().
    Task<Result<std::vector<double>>> rerank(const std::string& query, const std::vector<std::string>& texts,
                                             std::chrono::milliseconds limit);

  private:
    Task<Result<std::string>> post(const std::string& url, std::string body, std::chrono::milliseconds limit);

    HttpClient& http_;
    std::string embed_url_;
    std::string rerank_url_;
};

} // namespace npcchat
