// A completion that comes in while the model still writes it.
#pragma once

#include "model/openai_wire.hpp"
#include "model/sse_parser.hpp"

#include <deque>

namespace npcchat {

class ModelStream {
  public:
    // `first_word_by`: when the endpoint must have said something. `prompt_estimate`: tokens, for where it
    // does not say what was used.
    ModelStream(HttpStream http, Clock::time_point first_word_by, std::int64_t prompt_estimate);

    // Waits for the first chunk that says something, or for the end. Fails as more() does.
    Task<Result<void>> begin();

    // The next chunk of those that are here; nothing: await more(). Its views live until the next call.
    std::optional<Chunk> next();

    // Waits for more chunks; there may be none yet. False: the answer has ended as it should. 502: refused,
    // malformed or broken off; 503: busy; 504: too slow; 499: cancelled.
    Task<Result<bool>> more();

    // As the endpoint says, else an estimate from what has come so far.
    Usage usage() const;

  private:
    std::optional<Chunk> read_next();
    std::optional<Chunk> read(const SseEvent& event);
    std::unexpected<Error> end_with(Error error);
    Clock::time_point next_by() const;

    std::optional<HttpStream> http_; // until the end is known
    SseParser parser_;
    Clock::time_point first_word_by_;
    std::int64_t prompt_estimate_;
    std::optional<Usage> usage_;
    std::size_t text_quarters_ = 0; // of tokens
    std::deque<std::string> early_; // chunks that begin() has read
    std::string replayed_;          // the one of them that was given out last
    bool spoke_ = false;            // something that says something has come
    bool finished_ = false;         // a finish_reason has
    bool response_ended_ = false;
    std::optional<Error> error_;
};

} // namespace npcchat
