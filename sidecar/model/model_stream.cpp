#include "model/model_stream.hpp"

#include "chat/tokens.hpp"

namespace npcchat {
namespace {

constexpr std::string_view kDone = "[DONE]";
// Chunks that say nothing, some endpoints' signs of life, before they are passed on all the same.
constexpr std::size_t kMaxEarly = 64;
// What may follow a finish_reason: the usage and [DONE].
constexpr auto kAfterFinish = std::chrono::seconds(5);

} // namespace

ModelStream::ModelStream(HttpStream http, const ModelTarget& target, Clock::time_point asked,
                         std::int64_t prompt_estimate)
    : http_(std::move(http)), first_word_by_(asked + target.timeouts.first_byte),
      between_(target.timeouts.between_bytes), prompt_estimate_(prompt_estimate) {
    if (target.wire == Wire::anthropic) anthropic_.emplace();
}

Task<Tried<void>> ModelStream::begin() {
    for (;;) {
        while (const auto chunk = read_next()) {
            early_.emplace_back(chunk->data);
            if (spoke_ || early_.size() == kMaxEarly) co_return Tried<void>();
        }
        const auto more = co_await read_more();
        if (!more) co_return std::unexpected(more.error());
        if (!*more) co_return Tried<void>();
    }
}

void ModelStream::belongs_to(std::string model, TargetState::Call call) {
    model_ = std::move(model);
    call_.emplace(std::move(call));
}

std::optional<Chunk> ModelStream::next() {
    if (early_.empty()) return read_next();
    replayed_ = std::move(early_.front());
    early_.pop_front();
    return *parse_chunk(replayed_);
}

std::optional<Chunk> ModelStream::read_next() {
    while (http_) {
        if (!translated_.empty()) {
            current_ = std::move(translated_.front());
            translated_.pop_front();
            if (auto chunk = read_chunk(current_)) return chunk;
            continue;
        }
        auto event = parser_.next();
        if (!event && response_ended_) event = parser_.rest();
        if (parser_.too_long()) end_with(call_failed(HttpFailure::too_large));
        if (!event) break;
        if (auto chunk = read(*event)) return chunk;
    }
    return std::nullopt;
}

// Nothing, where the event is no chunk, or becomes some that are to be read now.
std::optional<Chunk> ModelStream::read(const SseEvent& event) {
    if (!anthropic_) return read_chunk(event.data);
    auto chunks = anthropic_->translate(event.type, event.data);
    if (chunks)
        std::ranges::move(*chunks, std::back_inserter(translated_));
    else
        end_with(call_unusable(std::move(chunks.error())));
    return std::nullopt;
}

std::optional<Chunk> ModelStream::read_chunk(std::string_view data) {
    if (data == kDone) {
        finished_ = true;
        http_->let_end();
        http_.reset();
        return std::nullopt;
    }
    auto chunk = parse_chunk(data);
    if (!chunk) {
        end_with(call_unusable(std::move(chunk.error())));
        return std::nullopt;
    }
    spoke_ = spoke_ || chunk->says_something;
    finished_ = finished_ || !chunk->finish_reason.empty();
    if (chunk->usage) usage_ = chunk->usage;
    text_quarters_ += estimate_quarters(chunk->text);
    return *chunk;
}

std::unexpected<CallError> ModelStream::end_with(CallError error) {
    http_.reset();
    if (call_ && error.failure) call_->failed(*error.failure, error.retry_after, Clock::now());
    error_ = std::move(error);
    return std::unexpected(*error_);
}

Clock::time_point ModelStream::next_by() const {
    if (finished_) return Clock::now() + kAfterFinish;
    return spoke_ ? Clock::now() + between_ : first_word_by_;
}

Task<Result<bool>> ModelStream::more() {
    const auto more = co_await read_more();
    if (!more) co_return std::unexpected(more.error().error);
    co_return *more;
}

Task<Tried<bool>> ModelStream::read_more() {
    if (error_) co_return std::unexpected(*error_);
    if (!http_) co_return false;
    if (response_ended_) {
        if (!finished_) co_return end_with(call_failed(HttpFailure::broken));
        http_.reset();
        co_return false;
    }
    const auto bytes = co_await http_->read(next_by());
    if (!bytes) {
        // Only the usage can be missing.
        if (!finished_ || bytes.error() == HttpFailure::cancelled)
            co_return end_with(call_failed(bytes.error()));
        response_ended_ = true;
        co_return true;
    }
    if (const int status = http_->status(); status < 200 || status > 299)
        co_return end_with(call_refused(status, http_->retry_after()));
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
