// OpenAI's chat completions, as they are on the wire, without the wire.
#pragma once

#include "base/error.hpp"
#include "chat/prompt.hpp"
#include "io/http_client.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// Tokens; 0 where nobody said.
struct Usage {
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
};

// What a model is asked. The texts are JSON members, divided by commas, and go out as they are.
struct CompletionRequest {
    std::string members;              // all but `model`, `stream` and `stream_options`
    std::string stream_options;       // members of stream_options but for `include_usage`
    std::int64_t prompt_estimate = 0; // tokens, for where the endpoint does not say
};

struct Completion {
    std::string text;
    std::string finish_reason; // "stop", "length"…
    Usage usage;
    std::string model = {}; // of the table, that answered
};

// One event of a streamed completion. The views point into what was read.
struct Chunk {
    std::string_view data; // the event's whole JSON
    std::string_view text; // delta.content of the first choice, a JSON string with its quotes; or empty
    std::string_view finish_reason; // the same
    std::optional<Usage> usage;
    bool is_usage_alone = false; // the chunk that include_usage asks for
    bool says_something = false; // more than who speaks
};

CompletionRequest completion_request(const std::vector<ChatMessage>& messages);

// A streamed one asks for the usage, which comes in a chunk of its own.
std::string completion_body(std::string_view upstream_name, const CompletionRequest& request, bool streamed);

// 502 for a malformed answer or an empty text.
Result<Completion> parse_completion(std::string_view body);
Usage parse_usage(std::string_view body);

// 502 for what is malformed, and for an error that the endpoint reports in mid-stream.
Result<Chunk> parse_chunk(std::string_view data);

// Nobody reads it, but it is counted and logged: nginx's status for a client that has left.
inline constexpr int kClientLeft = 499;

// What a client is told of an answer with another status than 2xx, and of one that did not come.
Error refusal(int status, std::optional<std::chrono::seconds> retry_after);
Error endpoint_failed(HttpFailure failure);
std::unexpected<Error> malformed_answer();

} // namespace npcchat
