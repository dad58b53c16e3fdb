// The filter that cuts thinking: the same however a reply is split, trimmed, and nothing of an open block.
#include "chat/thinking.hpp"
#include "fuzz.hpp"

using namespace npcchat;

namespace {

Thought in_steps(std::string_view reply, ThinkingRule rule, std::size_t step) {
    ThinkingFilter filter(rule);
    Thought thought;
    for (std::size_t at = 0; at < reply.size(); at += step)
        thought.shown += filter.feed(reply.substr(at, step));
    thought.shown += filter.finish();
    thought.hidden = filter.take_hidden();
    return thought;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view reply = fuzz::text(data, size);
    for (auto rule : {ThinkingRule::Everywhere, ThinkingRule::OpeningOnly}) {
        const Thought whole = cut_thinking(reply, rule);
        fuzz::require(whole.shown.size() + whole.hidden.size() <= reply.size());
        constexpr std::string_view space = " \t\n\v\f\r";
        if (!whole.shown.empty()) {
            fuzz::require(space.find(whole.shown.front()) == space.npos);
            fuzz::require(space.find(whole.shown.back()) == space.npos);
        }
        for (std::size_t step : {1, 2, 5, 16}) {
            const Thought split = in_steps(reply, rule, step);
            fuzz::require(split.shown == whole.shown && split.hidden == whole.hidden);
        }
    }
    return 0;
}
