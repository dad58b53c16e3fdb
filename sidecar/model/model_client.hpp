// One completion from a model endpoint that speaks OpenAI's chat completions.
#pragma once

#include "base/error.hpp"
#include "chat/prompt.hpp"
#include "io/http_client.hpp"
#include "model/model_table.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace npcchat {

struct Completion {
    std::string text;
    std::int64_t prompt_tokens = 0; // as the endpoint counted, else our estimate
    std::int64_t completion_tokens = 0;
};

class ModelClient {
  public:
    explicit ModelClient(HttpClient& http) : http_(http) {}

    // 502: refused, failed, or answered with nothing that can be used. 503: said 429 (with its Retry-After).
    // 504: timed out.
    Task<Result<Completion>> complete(const Model& model, const std::vector<ChatMessage>& messages);

  private:
    HttpClient& http_;
};

// The two halves of the wire format, without the wire.
std::string completion_request(const std::string& upstream_name, const std::vector<ChatMessage>& messages);
Result<Completion> parse_completion(const HttpResponse& response);

} // namespace npcchat
