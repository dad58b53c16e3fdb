#include "session/chat_copy.hpp"

#include <algorithm>

namespace npcchat {
namespace {

constexpr std::size_t kMaxMessages = 500;     // of a part
constexpr std::size_t kMaxBytes = 256 * 1024; // of a part's texts, about

bool is_same(const Message& left, const Message& right) {
    return left.speaker == right.speaker && left.at == right.at && left.text == right.text;
}

std::int64_t size_of(const std::vector<Message>& messages) {
    return static_cast<std::int64_t>(messages.size());
}

} // namespace

std::vector<ChatPart> split_chat(ChatHistory history) {
    std::vector<Message> messages = std::exchange(history.messages, {});
    std::vector<ChatPart> parts{{size_of(messages), 1, history}};
    std::size_t bytes = 0;
    std::int64_t number = 0;
    for (Message& message : messages) {
        ++number;
        if (parts.back().history.messages.size() == kMaxMessages || bytes > kMaxBytes) {
            parts.push_back({size_of(messages), number, history});
            bytes = 0;
        }
        bytes += message.text.size() + message.scratchpad.size();
        parts.back().history.messages.push_back(std::move(message));
    }
    return parts;
}

Task<Result<void>> ChatCopy::look_at(const ChatKey& chat) {
    auto found = co_await into_.history(chat);
    if (!found) co_return std::unexpected(std::move(found.error()));
    chat_ = chat;
    exists_ = found->has_value();
    there_ = std::move(*found).value_or(ChatHistory());
    count_ = size_of(there_.messages);
    is_other_ = false;
    co_return Result<void>();
}

// Whether what it has in common with what is there is the same.
bool ChatCopy::fits(const ChatPart& part) const {
    const ChatHistory& given = part.history;
    if (there_.npc_id && given.npc_id && *there_.npc_id != *given.npc_id) return false;
    const std::int64_t before = part.first - 1;
    const std::int64_t common = std::min(size_of(there_.messages) - before, size_of(given.messages));
    for (std::int64_t i = 0; i < common; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (!is_same(given.messages[at], there_.messages[static_cast<std::size_t>(before) + at]))
            return false;
    }
    return true;
}

Task<Result<ChatCopy::Found>> ChatCopy::add(ChatKey chat, ChatPart part) {
    if (part.first == 1 || chat.user_id != chat_.user_id || chat.chat_id != chat_.chat_id) {
        const auto looked = co_await look_at(chat);
        if (!looked) co_return std::unexpected(looked.error());
    }
    std::vector<Message>& messages = part.history.messages;
    if (is_other_ || !fits(part)) {
        is_other_ = true;
        co_return Found::other;
    }
    const std::int64_t known = count_ - (part.first - 1);
    if (known < 0) co_return Found::incomplete;
    const bool remembers_more =
        count_ == part.count && there_.remembered < part.history.remembered && exists_;
    if (known >= size_of(messages) && !remembers_more) {
        const bool is_nothing = messages.empty() && part.history.memory.empty();
        if (exists_ || is_nothing) co_return Found::same;
    }
    messages.erase(messages.begin(), messages.begin() + std::min(known, size_of(messages)));
    const std::int64_t count = count_ + size_of(messages);
    there_.remembered = part.history.remembered;
    Result<bool> added;
    if (exists_)
        added = co_await into_.append_chat(chat, count_, std::move(part.history));
    else
        added = co_await into_.import_chat(chat, std::move(part.history));
    if (!added) co_return std::unexpected(std::move(added.error()));
    if (!*added) co_return fail(409, "The chat is in use at this moment");
    exists_ = true;
    count_ = count;
    co_return Found::added;
}

} // namespace npcchat
