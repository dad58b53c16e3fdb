#include "model/model_stream.hpp"

#include "chat/tokens.hpp"

namespace npcchat {
namespace {

constexpr std::string_view kDone = "[DONE]";
// What may follow a finish_reason: the usage and [DONE].
constexpr auto kAfterFinish = std::chrono::seconds(5);

} // namespace

ModelStream::ModelStream(HttpStream http, Clock::time_point first_word_by, std::int64_t prompt_estimate)
    : http_(std::move(http)), first_word_by_(first_word_by), prompt_estimate_(prompt_estimate) {}

Task<Result<void>> ModelStream::begin() {
    for (;;) {
        while (const auto chunk = read_next()) {
            early_.emplace_back(chunk->data);
            if (spoke_) co_return Result<void>();
        }
        const auto more = co_await this->more();
        if (!more) co_return std::unexpected(more.error());
        if (!*more) co_return Result<void>();
    }
}

std::optional<Chunk> ModelStream::next() {
    if (early_.empty()) return read_next();
    replayed_ = std::move(early_.front());
    early_.pop_front();
    return *parse_chunk(replayed_);
}

std::optional<Chunk> ModelStream::read_next() {
    while (http_) {
        auto event = parser_.next();
        if (!event && response_ended_) event = parser_.rest();
        if (parser_.too_long()) end_with(endpoint_failed(HttpFailure::too_large));
        if (!event) break;
        if (auto chunk = read(*event)) return chunk;
    }
    return std::nullopt;
}

// Nothing, where the event is no chunk.
std::optional<Chunk> ModelStream::read(const SseEvent& event) {
    if (event.data == kDone) {
        finished_ = true;
        http_->let_end();
        http_.reset();
        return std::nullopt;
    }
    auto chunk = parse_chunk(event.data);
    if (!chunk) {
        end_with(std::move(chunk.error()));
        return std::nullopt;
    }
    spoke_ = spoke_ || chunk->says_something;
    finished_ = finished_ || !chunk->finish_reason.empty();
    if (chunk->usage) usage_ = chunk->usage;
    text_quarters_ += estimate_quarters(chunk->text);
    return *chunk;
}

std::unexpected<Error> ModelStream::end_with(Error error) {
    http_.reset();
    error_ = std::move(error);
    return std::unexpected(*error_);
}

Clock::time_point ModelStream::next_by() const {
    if (finished_) return Clock::now() + kAfterFinish;
    return spoke_ ? Clock::time_point::max() : first_word_by_;
}

Task<Result<bool>> ModelStream::more() {
    if (error_) co_return std::unexpected(*error_);
    if (!http_) co_return false;
    if (response_ended_) {
        if (!finished_) co_return end_with(endpoint_failed(HttpFailure::broken));
        http_.reset();
        co_return false;
    }
    const auto bytes = co_await http_->read(next_by());
    if (!bytes) {
        // Only the usage can be missing.
        if (!finished_ || bytes.error() == HttpFailure::cancelled)
            co_return end_with(endpoint_failed(bytes.error()));
        response_ended_ = true;
        co_return true;
    }
    if (const int status = http_->status(); status < 200 || status > 299)
        co_return end_with(refusal(status, http_->retry_after()));
    response_ended_ = bytes->empty();
    parser_.push(*bytes);
    co_return true;
}

Usage ModelStream::usage() const {
    Usage used = usage_.value_or(Usage());
    if (used.prompt_tokens == 0) used.prompt_tokens = prompt_estimate_;
    if (used.completion_tokens == 0) {
        used.completion_tokens =
            static_cast<std::int64_t>((text_quarters_ + kQuartersPerToken - 1) / kQuartersPerToken);
    }
    return used;
}

} // namespace npcchat
