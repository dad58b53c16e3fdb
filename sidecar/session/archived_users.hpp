// Which users have chats in the archive, as the database said a while ago: a first turn under a client's name
// need not look there for a chat of a user who has none.
#pragma once

#include "base/clock.hpp"
#include "catalog/catalog.hpp"

#include <cstddef>
#include <optional>
#include <unordered_map>

namespace npcchat {

class ArchivedUsers {
  public:
    static constexpr std::size_t kMaxUsers = 65'536; // that are remembered
    static constexpr auto kPresentFor = std::chrono::minutes(10);

    // `absent_for`: how long "none" is believed. A chat must stay in Redis for longer than that after it was
    // archived: whoever still believes in "none" finds it there.
    explicit ArchivedUsers(Clock::duration absent_for) : absent_for_(absent_for) {}

    // Nothing where that is not known any more.
    std::optional<bool> any(UserId user_id, Clock::time_point now) const;
    // What the database has said; `asked`: when it was asked.
    void remember(UserId user_id, bool any, Clock::time_point asked);

  private:
    struct Known {
        bool any = false;
        Clock::time_point until;
    };
    Clock::duration absent_for_;
    std::unordered_map<UserId, Known> known_;
};

} // namespace npcchat
