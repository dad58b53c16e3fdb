#include "session/archive_queue.hpp"

#include "base/number.hpp"
#include "io/pause.hpp"
#include "session/archive_scripts.hpp"

#include <fmt/format.h>
#include <utility>

namespace npcchat {
namespace {

std::string member_of(const ChatKey& chat) {
    return fmt::format("{}:{}", chat.user_id, chat.chat_id);
}

std::optional<ChatKey> chat_of(std::string_view member) {
    const auto colon = member.find(':');
    const auto user_id = parse_number<UserId>(member.substr(0, colon));
    if (!user_id || colon == member.npos) return std::nullopt;
    return ChatKey{*user_id, std::string(member.substr(colon + 1))};
}

std::string key_of(int queue) {
    return fmt::format("npcchat:{{q:{}}}:archive", queue);
}

// FNV-1a: the same in every process, whatever it was built with.
int queue_of(std::string_view member) {
    std::uint32_t hash = 2166136261;
    for (const unsigned char byte : member)
        hash = (hash ^ byte) * 16777619;
    return static_cast<int>(hash % ArchiveQueue::kQueues);
}

std::string key_of(std::string_view member) {
    return key_of(queue_of(member));
}

} // namespace

void ArchiveQueue::hint(const ChatKey& chat, Millis when) {
    std::string member = member_of(chat);
    Hints& hints = hints_[static_cast<std::size_t>(queue_of(member))];
    hints.insert_or_assign(std::move(member), std::to_string(when));
    if (!std::exchange(sending_, true)) spawn(executor_, "archive hints", [this] { return send_later(); });
}

Task<void> ArchiveQueue::send_later() {
    co_await pause(executor_, kGather);
    sending_ = false;
    for (int queue = 0; queue < kQueues; ++queue) {
        const Hints hints = std::exchange(hints_[static_cast<std::size_t>(queue)], {});
        if (hints.empty()) continue;
        const std::string key = key_of(queue);
        std::vector<std::string_view> command{"ZADD", key};
        for (const auto& [member, score] : hints)
            command.insert(command.end(), {score, member});
        co_await redis_.command(std::move(command));
    }
}

Task<Result<bool>> ArchiveQueue::hint_if_missing(ChatKey chat, Millis when) {
    const std::string member = member_of(chat);
    const std::string key = key_of(member);
    const std::string score = std::to_string(when);
    const auto reply = co_await redis_.command({"ZADD", key, "NX", score, member});
    if (!reply) co_return std::unexpected(reply.error());
    co_return reply->integer() == 1;
}

Task<Result<std::vector<ArchiveQueue::Claim>>> ArchiveQueue::claim(int queue, Millis until, int most) {
    const auto reply = co_await redis_.run(
        scripts::claim_due(), {key_of(queue)},
        {redis_.deadline(), std::to_string(now_ms()), std::to_string(until), std::to_string(most)});
    if (!reply) co_return std::unexpected(reply.error());
    std::vector<Claim> claims;
    for (std::size_t i = 0; i + 1 < reply->size(); i += 2) {
        if (auto chat = chat_of((*reply)[i].text())) claims.push_back({std::move(*chat), until});
    }
    co_return claims;
}

Task<void> ArchiveQueue::settle(const Claim& claim, std::optional<Millis> next) {
    const std::string member = member_of(claim.chat);
    co_await redis_.run(
        scripts::settle_claim(), {key_of(member)},
        {redis_.deadline(), member, std::to_string(claim.until), next ? std::to_string(*next) : ""});
}

} // namespace npcchat
