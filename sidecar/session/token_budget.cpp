#include "session/token_budget.hpp"

namespace npcchat {

std::unexpected<Error> budget_exhausted(Shortage shortage, Millis wait) {
    const int seconds = static_cast<int>((std::max<Millis>(wait, 1) + 999) / 1000);
    switch (shortage) {
    case Shortage::chats:
        return fail(429, "As many chats are being answered as the plan allows at once", seconds);
    case Shortage::minute:
        return fail(429, "The plan has not so many tokens left in this minute", seconds);
    case Shortage::day:
        break;
    }
    return fail(429, "The plan has not so many tokens left today", seconds);
}

} // namespace npcchat
