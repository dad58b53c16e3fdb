#include "session/archiver.hpp"

#include "base/log.hpp"
#include "io/pause.hpp"
#include "session/chat_copy.hpp"

#include <algorithm>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr int kBatch = 32; // chats of a queue that are claimed at once
constexpr Millis kMinClaim = 2'000;
constexpr Millis kMaxClaim = 60'000;
constexpr Millis kTryAgain = 5'000;      // after a failure, at most
constexpr Millis kConflict = 86'400'000; // nothing will change soon
constexpr auto kMaxPoll = 5s;
constexpr auto kMinPoll = 100ms;
constexpr int kScanStep = 500;       // keys
constexpr auto kBetweenScans = 600s; // at most

} // namespace

Archiver::Archiver(Executor executor, Redis& redis, TieredSessionStore& store, Catalog& catalog,
                   Millis archive_after, Millis idle_ttl)
    : executor_(executor), redis_(redis), store_(store), catalog_(catalog), archive_after_(archive_after),
      idle_ttl_(idle_ttl), claim_(std::clamp(archive_after, kMinClaim, kMaxClaim)),
      try_again_(std::min(archive_after, kTryAgain)),
      poll_(std::clamp<Clock::duration>(std::chrono::milliseconds(archive_after / 8), kMinPoll, kMaxPoll)) {}

Task<void> Archiver::run() {
    for (;;) {
        lag_ = 0;
        bool more = false;
        for (int queue = 0; queue < ArchiveQueue::kQueues; ++queue) {
            const bool full = co_await work_through(queue);
            more = more || full;
        }
        // What has failed comes again in one of the next rounds.
        const bool known = lag_ > 0 || now_ms() > last_failure_ + 3 * try_again_;
        if (known) metrics_.lag.store(lag_, std::memory_order_relaxed);
        co_await scan_step();
        // Others use the stores as well.
        co_await pause(executor_, more ? Clock::duration(kMinPoll) : poll_);
    }
}

// One batch; whether there may be more.
Task<bool> Archiver::work_through(int queue) {
    ArchiveQueue& hints = store_.queue();
    const auto claims = co_await hints.claim(queue, now_ms() + claim_, kBatch);
    if (!claims) co_return false;
    bool failed = false;
    for (const ArchiveQueue::Claim& claim : *claims) {
        Verdict verdict{Look::later, now_ms() + try_again_};
        // Where one store is down, the others of the batch need not find that out as well.
        if (!failed) verdict = co_await look_at(claim.chat);
        if (verdict.look == Look::failed) {
            failed = true;
            last_failure_ = now_ms();
            metrics_.failures.fetch_add(1, std::memory_order_relaxed);
        }
        std::optional<Millis> next;
        if (verdict.look != Look::done) next = verdict.next;
        co_await hints.settle(claim, next);
    }
    co_return claims->size() == kBatch && !failed;
}

Task<Archiver::Verdict> Archiver::look_at(const ChatKey& chat) {
    const auto state = co_await store_.live().state(chat);
    if (!state) co_return Verdict{Look::failed, now_ms() + try_again_};
    // Gone, or archived before and about to end.
    if (!*state || (*state)->ends_in <= archive_after_) co_return Verdict{};
    const bool ended = (*state)->count > 0 && (*state)->remembered == (*state)->count;
    const Millis due = (*state)->used + archive_after_;
    if (!ended && due > now_ms()) co_return Verdict{Look::later, due};
    lag_ = std::max(lag_, (now_ms() - due) / 1000);
    co_return co_await archive(chat, **state);
}

Task<Archiver::Verdict> Archiver::archive(const ChatKey& chat, RedisSessionStore::State state) {
    auto live = co_await store_.live().history(chat);
    if (!live) co_return Verdict{Look::failed, now_ms() + try_again_};
    if (!*live) co_return Verdict{};
    // What was said since is the next one's.
    if (static_cast<std::int64_t>((*live)->messages.size()) != state.count ||
        (*live)->remembered != state.remembered)
        co_return Verdict{Look::later, now_ms() + archive_after_};
    ChatCopy copy(store_.archive());
    for (ChatPart& part : split_chat(std::move(**live))) {
        const auto messages = static_cast<std::int64_t>(part.history.messages.size());
        const auto added = co_await copy.add(chat, std::move(part));
        if (!added && added.error().status == 409) co_return co_await give_up_on(chat, state);
        if (!added) co_return Verdict{Look::failed, now_ms() + try_again_};
        if (*added == ChatCopy::Found::other || *added == ChatCopy::Found::incomplete) {
            log(Level::error, "a chat differs from the archive's of that name and stays in Redis",
                {{"user_id", chat.user_id}, {"chat_id", std::string_view(chat.chat_id)}});
            co_return Verdict{Look::failed, now_ms() + kConflict};
        }
        if (*added == ChatCopy::Found::added)
            metrics_.messages.fetch_add(messages, std::memory_order_relaxed);
    }
    const Millis left = state.used + archive_after_ - now_ms();
    const auto ends = co_await store_.live().let_end(
        chat, state, std::max(left, TieredSessionStore::linger(archive_after_)));
    if (!ends) co_return Verdict{Look::failed, now_ms() + try_again_};
    if (!*ends) co_return Verdict{Look::later, now_ms() + archive_after_};
    metrics_.chats.fetch_add(1, std::memory_order_relaxed);
    co_return Verdict{};
}

// The archive takes no chat of a user who is not there. Where it was deleted, what a turn has left behind
// ends as any idle chat does; a wrong DATABASE_URL costs nothing before.
Task<Archiver::Verdict> Archiver::give_up_on(const ChatKey& chat, RedisSessionStore::State state) {
    const auto user = co_await catalog_.find_user(chat.user_id);
    if (!user || *user) co_return Verdict{Look::failed, now_ms() + try_again_};
    const auto ends = co_await store_.live().let_end(chat, state, idle_ttl_);
    if (!ends || !*ends) co_return Verdict{Look::failed, now_ms() + try_again_};
    co_return Verdict{};
}

// A hint that got lost leaves its chat in Redis for good: each is looked for once in a while.
Task<void> Archiver::scan_step() {
    if (Clock::now() < next_scan_) co_return;
    if (!scan_) scan_.emplace(redis_, RedisSessionStore::kChatPattern, kScanStep);
    const auto keys = co_await scan_->next();
    if (!keys) co_return;
    for (const std::string& key : *keys) {
        const auto chat = RedisSessionStore::chat_of_key(key);
        if (!chat) continue;
        const auto missing = co_await store_.queue().hint_if_missing(*chat, now_ms());
        if (!missing) co_return;
        if (!*missing) continue;
        const auto state = co_await store_.live().state(*chat);
        if (state && *state && (*state)->ends_in > archive_after_)
            metrics_.found.fetch_add(1, std::memory_order_relaxed);
    }
    if (!scan_->done()) co_return;
    scan_.reset();
    next_scan_ =
        Clock::now() + std::min<Clock::duration>(std::chrono::milliseconds(archive_after_), kBetweenScans);
}

} // namespace npcchat
