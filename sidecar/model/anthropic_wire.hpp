// Anthropic's messages, put into the words of OpenAI's chat completions, which all else here speaks, and
// back.
//
// Version 2023-06-01 of the API (docs.anthropic.com/en/api/messages). What only one of the two knows is left
// out, but for what the answer would be wrong without.
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

inline constexpr std::string_view kAnthropicVersion = "2023-06-01";

// The body of POST /messages. `members`: those of a chat completion's object, without `model` and `stream`.
// The API wants a bound of the answer: `max_tokens`, where the request has none. 422 for what cannot be said
// in its words.
Result<std::string> anthropic_request(std::string_view upstream_name, std::string_view members, bool streamed,
                                      std::int64_t max_tokens);

// A whole answer as a chat completion's object. 502 where it is malformed.
Result<std::string> completion_of_anthropic(std::string_view body);

// A stream, event by event.
class AnthropicStream {
  public:
    using Chunks = std::vector<std::string>;

    // The chunks, each a JSON object, that OpenAI would have sent in place of this event; last of all
    // "[DONE]". 502 where it is malformed or reports an error; 503 where it says that the endpoint is busy.
    Result<Chunks> translate(std::string_view type, std::string_view data);

  private:
    Chunks begin(const json_t* message);
    Chunks begin_block(const json_t* block);
    Chunks go_on(const json_t* delta);
    Chunks end(const json_t* root);
    Result<Chunks> report(const json_t* error);
    std::string chunk(std::string_view choices, std::string_view more = {}) const;
    std::string delta_chunk(std::string_view delta) const;

    std::string id_;
    std::string model_;
    std::int64_t created_ = 0; // seconds since 1970
    std::int64_t prompt_tokens_ = 0;
    std::int64_t cached_tokens_ = 0;
    std::size_t tool_calls_ = 0; // begun so far
};

} // namespace npcchat
