// A completion that comes in while the model still writes it.
#pragma once

#include "model/anthropic_wire.hpp"
#include "model/call_error.hpp"
#include "model/model_table.hpp"
#include "model/sse_parser.hpp"

#include <deque>

namespace npcchat {

class ModelStream {
  public:
    // From `target`, asked at `asked`. `prompt_estimate`: tokens, for where it does not say what was used.
    ModelStream(HttpStream http, const ModelTarget& target, Clock::time_point asked,
                std::int64_t prompt_estimate);

    // Waits for the first chunk that says something, for many that do not, or for the end.
    Task<Tried<void>> begin();

    // Once begun: whose answer it is, and the place that it takes there.
    void belongs_to(std::string model, TargetState::Call call);
    const std::string& model() const { return model_; } // its name in the table

    // The next chunk of those that are here; nothing: await more(). Its views live until the next call.
    std::optional<Chunk> next();

    // Waits for more chunks; there may be none yet. False: the answer has ended as it should. 502: refused,
    // malformed or broken off; 503: busy; 504: too slow; 499: cancelled.
    Task<Result<bool>> more();

    // As the endpoint says, else an estimate from what has come so far.
    Usage usage() const;

  private:
    Task<Tried<bool>> read_more();
    std::optional<Chunk> read_next();
    std::optional<Chunk> read(const SseEvent& event);
    std::optional<Chunk> read_chunk(std::string_view data);
    std::unexpected<CallError> end_with(CallError error);
    Clock::time_point next_by() const;

    std::optional<HttpStream> http_; // until the end is known
    SseParser parser_;
    std::optional<AnthropicStream> anthropic_;
    Clock::time_point first_word_by_;
    std::chrono::milliseconds between_;
    std::int64_t prompt_estimate_;
    std::string model_;
    std::optional<TargetState::Call> call_;
    std::optional<Usage> usage_;
    std::size_t text_quarters_ = 0;      // of tokens
    std::deque<std::string> translated_; // chunks that an event has become, not read yet
    std::string current_;                // the one of them that was read last
    std::deque<std::string> early_;      // chunks that begin() has read
    std::string replayed_;               // the one of them that was given out last
    bool spoke_ = false;                 // something that says something has come
    bool finished_ = false;              // a finish_reason has
    bool response_ended_ = false;
    std::optional<CallError> error_;
};

} // namespace npcchat
