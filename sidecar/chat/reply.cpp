#include "chat/reply.hpp"

#include "base/json_walk.hpp"

namespace npcchat {
namespace {

// Of a streamed reply, as of one in one piece.
constexpr std::size_t kMaxReply = 16UL * 1024 * 1024;

std::unexpected<Error> nothing_but_thinking() {
    return fail(502, "The model's answer was nothing but thinking, try again");
}

Task<Result<Reply>> whole_reply(Services& services, Spending& spending, const Model& model,
                                CompletionRequest request, ReplyOptions options) {
    auto completion = co_await call_model(services, spending, model, request, options.cancellation);
    if (!completion) co_return std::unexpected(std::move(completion.error()));
    Reply reply{cut_thinking(completion->text, options.rule), std::move(completion->finish_reason),
                completion->usage, std::move(completion->model)};
    if (reply.thought.shown.empty()) co_return nothing_but_thinking();
    co_return reply;
}

// A reply that grows by chunks.
class GrowingReply {
  public:
    GrowingReply(ThinkingRule rule, Deltas& deltas) : filter_(rule), deltas_(deltas) {}

    Result<void> add(const Chunk& chunk) {
        if (!chunk.finish_reason.empty())
            reply_.finish_reason = read_json_string(chunk.finish_reason).value_or("stop");
        if (chunk.text.empty()) return {};
        const auto text = read_json_string(chunk.text);
        if (!text) return malformed_answer();
        show(filter_.feed(*text));
        if (reply_.thought.shown.size() > kMaxReply)
            return std::unexpected(endpoint_failed(HttpFailure::too_large));
        return {};
    }

    Result<Reply> finish(const ModelStream& stream) {
        show(filter_.finish());
        reply_.thought.hidden = filter_.take_hidden();
        reply_.usage = stream.usage();
        reply_.model = stream.model();
        if (reply_.finish_reason.empty()) reply_.finish_reason = "stop";
        if (reply_.thought.shown.empty()) return nothing_but_thinking();
        return std::move(reply_);
    }

  private:
    void show(std::string_view text) {
        if (text.empty()) return;
        reply_.thought.shown += text;
        deltas_.put(text);
    }

    ThinkingFilter filter_;
    Deltas& deltas_;
    Reply reply_;
};

Task<Result<void>> read_all(ModelStream& stream, GrowingReply& reply, Deltas& deltas) {
    for (;;) {
        Result<void> added;
        while (const auto chunk = stream.next()) {
            added = reply.add(*chunk);
            if (!added) break;
        }
        if (!deltas.flush()) co_await deltas.caught_up();
        if (!added) co_return added;
        const auto more = co_await stream.more();
        if (!more) co_return std::unexpected(more.error());
        if (!*more) co_return added;
    }
}

Task<Result<Reply>> streamed_reply(Services& services, Spending& spending, const Model& model,
                                   CompletionRequest request, ReplyOptions options) {
    CountedCall call(services, spending);
    auto stream = co_await services.models.stream(model, request, options.cancellation);
    if (!stream) {
        call.failed(model.name, stream.error(), used_before_an_answer(stream.error(), request));
        co_return std::unexpected(std::move(stream.error()));
    }
    call.began();
    request = CompletionRequest(); // a prompt is large, and a stream lives long
    GrowingReply reply(options.rule, *options.deltas);
    auto read = co_await read_all(*stream, reply, *options.deltas);
    if (!read) {
        call.failed(stream->model(), read.error(), stream->usage());
        co_return std::unexpected(std::move(read.error()));
    }
    call.succeeded(stream->model(), stream->usage());
    co_return reply.finish(*stream);
}

} // namespace

Task<Result<Reply>> get_reply(Services& services, Spending& spending, const Model& model,
                              CompletionRequest request, ReplyOptions options) {
    return options.deltas ? streamed_reply(services, spending, model, std::move(request), options)
                          : whole_reply(services, spending, model, std::move(request), options);
}

} // namespace npcchat
