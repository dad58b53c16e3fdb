#include "chat/prompt.hpp"

#include "chat/harmless.hpp"
#include "chat/tokens.hpp"

#include <algorithm>
#include <utility>

namespace npcchat {
namespace {

constexpr std::string_view kPlainAssistant = "You are a helpful assistant.";

constexpr std::string_view kScratchpad =
    "Before you answer, you may think inside <scratchpad>...</scratchpad>: what stands there is hidden from "
    "the user.";

constexpr std::string_view kReflect =
    "### REFLECTION:\n"
    "The conversation has ended. The next message is its transcript: \"You\" are the lines that you said, "
    "\"User\" those of the user. Do not continue it. Reflect on it as yourself, in the first person and in "
    "at "
    "most ten sentences: what have you learnt about yourself, about the user, about your goals and about the "
    "world? What you write replaces the previous dialogue above as your only memory, so carry over what "
    "still "
    "matters of it. Answer with the reflection alone.";

constexpr std::size_t kMinPartTokens = 64;

std::size_t minus(std::size_t left, std::size_t right) {
    return left > right ? left - right : 0;
}

std::size_t cost(std::string_view content) {
    return estimate_tokens(content) + kMessageTokens;
}

ChatMessage to_chat_message(const PastMessage& past) {
    if (past.role == PastMessage::Role::user) return {"user", harmless(past.text)};
    return {"assistant", past.text};
}

// Adds as many of the newest messages as fit, the newest one first. An answer whose question does not fit
// stays out with it.
void add_newest(std::vector<ChatMessage>& newest_first, std::span<const PastMessage> history,
                std::size_t tokens) {
    std::size_t begin = history.size();
    for (; begin > 0; --begin) {
        ChatMessage message = to_chat_message(history[begin - 1]);
        const std::size_t needed = cost(message.content);
        if (needed > tokens) break;
        tokens -= needed;
        newest_first.push_back(std::move(message));
    }
    if (begin == 0) return;
    for (; begin < history.size() && history[begin].role == PastMessage::Role::assistant; ++begin)
        newest_first.pop_back();
}

std::string reflection_system(const Character* character, std::string_view memory) {
    return system_message(character, memory).append("\n\n").append(kReflect);
}

// Collects transcript lines in parts of a bounded size.
class Parts {
  public:
    explicit Parts(std::size_t tokens) : tokens_(tokens) {}

    void add(std::string_view speaker, std::string_view text) {
        const std::size_t room = minus(tokens_, estimate_tokens(speaker) + 1); // 1: the newline
        do {
            const std::string_view piece = text.substr(0, bytes_within(text, room));
            add_line(std::string(speaker).append(piece).append("\n"));
            text.remove_prefix(piece.size());
        } while (!text.empty());
    }

    std::vector<std::string> take() { return std::move(parts_); }

  private:
    void add_line(const std::string& line) {
        const std::size_t needed = estimate_tokens(line);
        if (parts_.empty() || needed > left_) {
            parts_.emplace_back();
            left_ = tokens_;
        }
        parts_.back() += line;
        left_ = minus(left_, needed);
    }

    std::size_t tokens_;
    std::size_t left_ = 0; // of the last part
    std::vector<std::string> parts_;
};

} // namespace

std::string system_message(const Character* character, std::string_view memory) {
    std::string text;
    if (character == nullptr) {
        text = kPlainAssistant;
    } else {
        text.append("WORLD SETTING: ").append(character->world_descr);
        text.append("\n###\n").append(character->char_descr);
        if (character->has_scratchpad) text.append("\n\n").append(kScratchpad);
        if (!character->addition.empty()) text.append("\n\n").append(character->addition);
    }
    if (!memory.empty()) text.append("\n\n### PREVIOUS DIALOGUE:\n").append(harmless(memory));
    return text;
}

std::vector<ChatMessage> chat_prompt(std::string system, std::span<const PastMessage> history,
                                     std::string_view message, const Budget& budget) {
    std::string asked = harmless(message);
    const std::size_t fixed = budget.answer_tokens + cost(system) + cost(asked);
    const std::size_t room = std::min(budget.history_tokens, minus(budget.context_tokens, fixed));

    std::vector<ChatMessage> prompt; // its last message first
    prompt.reserve(history.size() + 2);
    prompt.push_back({"user", std::move(asked)});
    add_newest(prompt, history, room);
    prompt.push_back({"system", std::move(system)});
    std::ranges::reverse(prompt);
    return prompt;
}

std::vector<ChatMessage> reflection_prompts(const Character* character, std::string_view memory,
                                            std::string_view transcript) {
    std::vector<ChatMessage> prompt;
    prompt.push_back({"system", reflection_system(character, memory)});
    prompt.push_back({"user", std::string(transcript)});
    return prompt;
}

std::size_t transcript_tokens(const Character* character, std::string_view memory, const Budget& budget) {
    // A placeholder memory brings in the heading's cost; the memory itself is counted at its largest.
    const std::size_t frame = cost(reflection_system(character, "-")) + kMessageTokens;
    const std::size_t largest_memory = std::max(estimate_tokens(harmless(memory)), budget.answer_tokens);
    return minus(budget.context_tokens, budget.answer_tokens + frame + largest_memory);
}

std::vector<std::string> fold_transcript(std::span<const PastMessage> history, std::size_t tokens) {
    Parts parts(std::max(tokens, kMinPartTokens));
    for (const PastMessage& past : history) {
        const bool user = past.role == PastMessage::Role::user;
        parts.add(user ? "User: " : "You: ", harmless(past.text));
    }
    return parts.take();
}

} // namespace npcchat
