#include "session/archived_users.hpp"

namespace npcchat {

std::optional<bool> ArchivedUsers::any(UserId user_id, Clock::time_point now) const {
    const auto found = known_.find(user_id);
    if (found == known_.end() || found->second.until <= now) return std::nullopt;
    return found->second.any;
}

void ArchivedUsers::remember(UserId user_id, bool any, Clock::time_point asked) {
    if (known_.size() >= kMaxUsers) {
        std::erase_if(known_, [asked](const auto& entry) { return entry.second.until <= asked; });
        if (known_.size() >= kMaxUsers) known_.clear();
    }
    known_[user_id] = {any, asked + (any ? Clock::duration(kPresentFor) : absent_for_)};
}

} // namespace npcchat
