#include "chat/spending.hpp"

#include "io/renewal.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

namespace npcchat {
namespace {

// Reserved for an answer of which nobody has said how long it may be.
constexpr std::int64_t kUsualAnswer = 256;
// What is counted of what clients say.
constexpr std::int64_t kMostTokens = 1'000'000'000;
constexpr std::int64_t kMostChoices = 1'000;
constexpr auto kRenewEvery = std::chrono::milliseconds(kReservationMillis / 3);

// Who has so much left, and a prompt that is larger than all the plan has, may go into debt: it could never
// ask anything otherwise.
std::int64_t within(std::int64_t tokens, const TokenLimits& limits) {
    for (const std::int64_t limit : {limits.per_minute, limits.per_day}) {
        if (limit > 0) tokens = std::min(tokens, limit);
    }
    return std::max<std::int64_t>(tokens, 1);
}

} // namespace

// Shared with the coroutine that reserves, renews and settles.
struct Spending::State {
    State(Executor executor, UserId user_id, const TokenLimits& limits)
        : executor(executor), user_id(user_id), limits(limits) {}

    void wake() { call(then); }
    void call(Resume<bool>& resume) {
        if (!resume) return;
        asio::post(executor, [one = std::exchange(resume, nullptr)]() mutable { one(true); });
    }

    Executor executor;
    UserId user_id;
    TokenLimits limits;
    std::optional<Result<void>> granted;
    std::int64_t used = 0;
    bool ended = false;
    bool settled = false;
    Resume<bool> then; // whom it is told what comes next
    Resume<bool> end;  // the coroutine, which waits for the end
};

Spending::Spending(Services& services, UserId user_id, const RequestPlan& plan,
                   std::optional<TraceContext> trace)
    : services_(services), user_id_(user_id),
      limits_{plan.tokens_per_minute, plan.tokens_per_day, plan.concurrent_chats}, trace_(std::move(trace)) {}

Task<void> Spending::begin(std::int64_t prompt, const AnswerBound& answer) {
    const std::int64_t choices = std::clamp<std::int64_t>(answer.choices, 1, kMostChoices);
    if (answer.tokens) {
        const std::int64_t all = prompt + std::clamp<std::int64_t>(*answer.tokens, 0, kMostTokens) * choices;
        return begin(TokenEstimate{std::max<std::int64_t>(all, 1), std::max<std::int64_t>(all, 1)});
    }
    const std::int64_t least = within(prompt, limits_);
    return begin(TokenEstimate{least, std::max(prompt, least) + kUsualAnswer * choices});
}

Task<void> Spending::begin_anyway(std::int64_t prompt) {
    return begin(TokenEstimate{0, prompt + kUsualAnswer});
}

Task<void> Spending::begin(TokenEstimate estimate) {
    if (limits_.per_minute == 0 && limits_.per_day == 0 && limits_.chats == 0) co_return;
    const Executor executor = co_await asio::this_coro::executor;
    state_ = std::make_shared<State>(executor, user_id_, limits_);
    spawn(executor, "token reservation",
          [&services = services_, state = state_, estimate] { return keep(services, state, estimate); });
}

Task<void> Spending::keep(Services& services, std::shared_ptr<State> state, TokenEstimate estimate) {
    const auto reserved = co_await services.tokens.reserve(state->user_id, state->limits, estimate);
    state->settled = !reserved;
    state->granted = reserved ? Result<void>() : std::unexpected(reserved.error());
    state->wake();
    if (!reserved) co_return;
    if (!state->ended) {
        const Renewal renewal(state->executor, kRenewEvery,
                              [&services, one = *reserved] { return services.tokens.renew(one); });
        co_await suspend<bool>([&state](Resume<bool> resume) { state->end = std::move(resume); });
    }
    co_await services.tokens.settle(*reserved, state->used);
    state->settled = true;
    state->wake();
}

Task<Result<void>> Spending::granted() {
    if (!state_) co_return Result<void>();
    if (!state_->granted)
        co_await suspend<bool>([this](Resume<bool> resume) { state_->then = std::move(resume); });
    co_return *state_->granted;
}

void Spending::end() {
    if (!state_ || state_->ended) return;
    state_->ended = true;
    state_->call(state_->end);
}

Task<void> Spending::settled() {
    end();
    if (!state_ || state_->settled) co_return;
    co_await suspend<bool>([this](Resume<bool> resume) { state_->then = std::move(resume); });
}

void Spending::used(const std::string& model, const Usage& usage) {
    if (usage.prompt_tokens == 0 && usage.completion_tokens == 0) return;
    services_.shared.usage.add(user_id_, model, usage.prompt_tokens, usage.completion_tokens);
    if (state_) state_->used += usage.prompt_tokens + usage.completion_tokens;
}

} // namespace npcchat
