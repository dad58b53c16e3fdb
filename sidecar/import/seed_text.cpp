#include "import/seed_text.hpp"

#include "base/json.hpp"
#include "chat/thinking.hpp"

namespace npcchat {
namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    const auto first = text.find_first_not_of(kSpace);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view without_prefix(std::string_view text, std::string_view prefix) {
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// The seed told its models to think between these two marks, each with an optional colon.
Thought split_seed_answer(std::string_view text) {
    constexpr std::string_view kBegin = "#SCRATCHPAD";
    constexpr std::string_view kEnd = "#ANSWER";
    std::string hidden;
    const auto begin = text.find(kBegin);
    const auto end = begin == text.npos ? begin : text.find(kEnd, begin);
    if (end != text.npos) {
        const auto thought = text.substr(begin + kBegin.size(), end - begin - kBegin.size());
        hidden = trimmed(without_prefix(thought, ":"));
        text = without_prefix(text.substr(end + kEnd.size()), ":");
    }
    Thought rest = cut_thinking(text, ThinkingRule::Everywhere);
    if (!rest.hidden.empty()) hidden += (hidden.empty() ? "" : "\n") + rest.hidden;
    return {std::move(rest.shown), std::move(hidden)};
}

} // namespace

std::optional<Message> parse_seed_message(std::string_view entry, Millis at) {
    const auto object = parse_json_object(entry);
    if (!object) return std::nullopt;
    const json_t* text = json_object_get(object->get(), "text");
    const json_t* role = json_object_get(object->get(), "role");
    if (!json_is_string(text) || !json_is_string(role)) return std::nullopt;
    const std::string_view said(json_string_value(text), json_string_length(text));
    Message message;
    message.at = at;
    if (std::string_view(json_string_value(role)) == "user") {
        message.speaker = Speaker::user;
        message.text = trimmed(without_prefix(trimmed(said), "#USER:"));
        return message;
    }
    Thought thought = split_seed_answer(said);
    message.speaker = Speaker::assistant;
    message.text = std::move(thought.shown);
    message.scratchpad = std::move(thought.hidden);
    return message;
}

std::optional<SeedChatName> parse_seed_chat_name(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    const auto colon = name.rfind(':'); // a key may hold one, a chat_id does not
    if (colon == name.npos || colon == 0 || colon + 1 == name.size()) return std::nullopt;
    return SeedChatName{std::string(name.substr(0, colon)), std::string(name.substr(colon + 1))};
}

} // namespace npcchat
