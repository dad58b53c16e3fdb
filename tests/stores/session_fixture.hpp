// What the tests of SessionStore have in common.
#pragma once

#include "tests/stores/backends.hpp"

#include <fmt/format.h>

namespace npcchat::testing {

inline constexpr std::size_t kEverything = std::size_t{1} << 40;

// "user 1: Hello [thought]": a message in one line, for comparing.
inline std::string line_of(const Message& message) {
    const std::string pad = message.scratchpad.empty() ? "" : " [" + message.scratchpad + "]";
    return fmt::format("{} {}: {}{}", message.speaker == Speaker::user ? "user" : "npc", message.at,
                       message.text, pad);
}

inline std::vector<std::string> lines_of(const std::vector<Message>& messages) {
    std::vector<std::string> lines;
    for (const Message& message : messages)
        lines.push_back(line_of(message));
    return lines;
}

using Lines = std::vector<std::string>;

class SessionTest : public ::testing::TestWithParam<Kind> {
  protected:
    ChatKey chat(std::string chat_id = "chat") const { return ChatKey{user, std::move(chat_id)}; }

    Result<OpenChat> try_open(ChatKey key, std::optional<std::string> npc_id = "npc",
                              std::size_t max_bytes = kEverything) {
        return loop.run(node.sessions().open(std::move(key), std::move(npc_id), max_bytes));
    }
    // Throws where it is refused.
    OpenChat open(ChatKey key, std::optional<std::string> npc_id = "npc",
                  std::size_t max_bytes = kEverything) {
        return try_open(std::move(key), std::move(npc_id), max_bytes).value();
    }
    // Opens without keeping the lease.
    OpenChat look(ChatKey key, std::optional<std::string> npc_id = std::nullopt,
                  std::size_t max_bytes = kEverything) {
        OpenChat opened = open(std::move(key), std::move(npc_id), max_bytes);
        loop.run(node.sessions().release(opened.lease));
        return opened;
    }
    int open_status(ChatKey key, std::optional<std::string> npc_id = "npc") {
        const auto opened = try_open(std::move(key), std::move(npc_id));
        return opened ? 200 : opened.error().status;
    }

    static Turn turn(std::string question, std::string answer, std::string pad = "", Millis at = 1000,
                     std::string npc_id = "npc") {
        return Turn{std::move(npc_id), Message{Speaker::user, std::move(question), "", at},
                    Message{Speaker::assistant, std::move(answer), std::move(pad), at + 1}};
    }
    // 200, or the error's status.
    int commit(const Lease& lease, Turn turn) {
        const auto done = loop.run(node.sessions().commit(lease, std::move(turn)));
        return done ? 200 : done.error().status;
    }
    int commit_memory(const Lease& lease, std::string memory, std::int64_t count) {
        const auto done = loop.run(node.sessions().commit_memory(lease, std::move(memory), count));
        return done ? 200 : done.error().status;
    }
    // One whole turn.
    void say(ChatKey key, std::string question, std::string answer, std::string pad = "", Millis at = 1000) {
        const OpenChat opened = open(std::move(key));
        ASSERT_EQ(commit(opened.lease, turn(std::move(question), std::move(answer), std::move(pad), at)),
                  200);
    }
    void remember(ChatKey key, std::string memory, std::int64_t count) {
        const OpenChat opened = open(std::move(key), std::nullopt);
        ASSERT_EQ(commit_memory(opened.lease, std::move(memory), count), 200);
    }

    std::optional<ChatHistory> history(ChatKey key) {
        return loop.run(node.sessions().history(std::move(key))).value();
    }
    Lines said(ChatKey key) {
        const auto found = history(std::move(key));
        return found ? lines_of(found->messages) : Lines{};
    }
    bool import(ChatKey key, ChatHistory history) {
        return loop.run(node.sessions().import_chat(std::move(key), std::move(history))).value();
    }

    Loop loop; // outlives what runs on it
    Home home{GetParam()};
    Node node{loop, home};
    UserId user = new_user(loop, node, GetParam());
    UserId other_user = new_user(loop, node, GetParam());
};

} // namespace npcchat::testing
