#include "routes/repeats.hpp"

#include "base/ids.hpp"
#include "base/log.hpp"
#include "io/renewal.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr std::size_t kMaxKey = 255;
constexpr auto kRenewEvery = std::chrono::milliseconds(kRunningMillis / 3);

Result<void> check_key(std::string_view key) {
    const bool printable = std::ranges::all_of(key, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
    if (key.size() <= kMaxKey && printable) return {};
    return fail(422, fmt::format("Idempotency-Key: must be 1 to {} printable ASCII characters", kMaxKey));
}

// Keeps the answer, or makes room for another attempt.
Task<void> settle(Services& services, Running running, const Result<std::string>& answer) {
    if (!answer) {
        co_await services.repeats.abandon(std::move(running));
        co_return;
    }
    const auto kept = co_await services.repeats.finish(std::move(running), *answer);
    // The turn is stored; it is a repeat that would not know.
    if (!kept) log(Level::warning, "answer not kept for repeats", {{"error", kept.error().detail}});
}

} // namespace

Task<Result<std::string>> answer_once(Services& services, const Request& request, std::string_view route,
                                      std::function<Task<Result<std::string>>(std::string)> carry_out) {
    if (auto checked = check_key(request.idempotency_key); !checked)
        co_return std::unexpected(checked.error());
    const IdempotencyKey key = idempotency_key(request.identity->id, route, request.idempotency_key);
    const std::string body_digest = sha256_hex(request.body);
    auto repeat = co_await services.repeats.begin(key, body_digest);
    if (!repeat) co_return std::unexpected(std::move(repeat.error()));
    switch (repeat->state) {
    case Repeat::State::running:
        co_return fail(409, "The first request with this Idempotency-Key still runs", 1);
    case Repeat::State::other_body:
        co_return fail(422, "Idempotency-Key: was used with another body");
    case Repeat::State::answered:
        co_return std::move(repeat->answer);
    case Repeat::State::none:
        break;
    }
    const Executor executor = co_await asio::this_coro::executor;
    Result<std::string> answer;
    {
        const Renewal renewal(executor, kRenewEvery, [&services, running = repeat->running] {
            return services.repeats.renew(running);
        });
        answer = co_await carry_out(repeat_tag(key, body_digest));
    }
    co_await settle(services, std::move(repeat->running), answer);
    co_return answer;
}

} // namespace npcchat
