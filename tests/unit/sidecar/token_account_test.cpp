#include "session/token_account.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

constexpr std::int64_t kToday = 20'000;
constexpr Millis kNow = kToday * kDayMillis + 1000; // a second after midnight

class Account {
  public:
    explicit Account(TokenLimits limits, std::int64_t used_today = 0)
        : limits_(limits), account_(used_today, kNow) {}

    // "ok", or what is short and for how long.
    std::string reserve(const std::string& id, std::int64_t least, std::int64_t reserved, Millis now = kNow) {
        const auto refusal = account_.reserve(reservation(id, reserved, now), least, now);
        if (!refusal) return "ok";
        const char* names[] = {"chats", "minute", "day"};
        return std::string(names[static_cast<int>(refusal->shortage)]) + " " + std::to_string(refusal->wait);
    }
    void settle(const std::string& id, std::int64_t reserved, std::int64_t used, Millis now = kNow) {
        account_.settle(reservation(id, reserved, now), used, now);
    }
    void settle_of(std::int64_t day, const std::string& id, std::int64_t reserved, std::int64_t used,
                   Millis now) {
        Reservation one = reservation(id, reserved, now);
        one.day = day;
        account_.settle(one, used, now);
    }
    void renew(const std::string& id, Millis now) { account_.renew(reservation(id, 0, now), now); }
    void change(TokenLimits limits) { limits_ = limits; }
    bool is_idle(Millis now) const { return account_.is_idle(now); }

  private:
    Reservation reservation(const std::string& id, std::int64_t tokens, Millis now) const {
        return Reservation{1, id, limits_, tokens, now / kDayMillis};
    }

    TokenLimits limits_;
    TokenAccount account_;
};

TokenLimits per_minute(std::int64_t tokens) {
    return TokenLimits{tokens, 0, 0};
}
TokenLimits per_day(std::int64_t tokens) {
    return TokenLimits{0, tokens, 0};
}
TokenLimits chats(std::int64_t count) {
    return TokenLimits{0, 0, count};
}

TEST(TokenAccount, WithoutLimitsGrantsAll) {
    Account account({});
    for (int i = 0; i < 1000; ++i)
        EXPECT_EQ(account.reserve(std::to_string(i), 1'000'000'000, 1'000'000'000), "ok");
}

TEST(TokenAccount, AMinuteHoldsItsTokens) {
    Account account(per_minute(600));
    EXPECT_EQ(account.reserve("a", 200, 200), "ok");
    EXPECT_EQ(account.reserve("b", 200, 200), "ok");
    EXPECT_EQ(account.reserve("c", 200, 200), "ok");
    // 10 tokens a second come back.
    EXPECT_EQ(account.reserve("d", 1, 200), "minute 100");
    EXPECT_EQ(account.reserve("d", 50, 200), "minute 5000");
    EXPECT_EQ(account.reserve("d", 50, 200, kNow + 4999), "minute 1");
    EXPECT_EQ(account.reserve("d", 50, 200, kNow + 5000), "ok");
}

TEST(TokenAccount, WhatWasNotUsedComesBackAtOnce) {
    Account account(per_minute(600));
    EXPECT_EQ(account.reserve("a", 1, 600), "ok");
    EXPECT_NE(account.reserve("b", 1, 1), "ok");
    account.settle("a", 600, 100);
    EXPECT_EQ(account.reserve("b", 500, 500), "ok");
    EXPECT_NE(account.reserve("c", 1, 1), "ok");
    account.settle("b", 500, 0);
    EXPECT_EQ(account.reserve("c", 500, 500), "ok");
}

TEST(TokenAccount, WhatWasUsedBeyondIsOwed) {
    Account account(per_minute(600));
    EXPECT_EQ(account.reserve("a", 100, 100), "ok");
    account.settle("a", 100, 1200);
    EXPECT_EQ(account.reserve("b", 1, 1), "minute 60100");
    EXPECT_EQ(account.reserve("b", 1, 1, kNow + 60'100), "ok");
}

TEST(TokenAccount, IsSettledOnce) {
    Account account({600, 1000, 1});
    EXPECT_EQ(account.reserve("a", 500, 500), "ok");
    account.settle("a", 500, 500);
    account.settle("a", 500, 0);
    account.settle("never", 500, 0);
    EXPECT_EQ(account.reserve("b", 101, 101), "minute 100");
    EXPECT_EQ(account.reserve("b", 100, 100), "ok");
}

TEST(TokenAccount, WhoAsksForMoreThanAMinuteHasWaitsInVain) {
    Account account(per_minute(600));
    EXPECT_EQ(account.reserve("a", 601, 601), "minute 60000");
    EXPECT_EQ(account.reserve("a", 600, 5000), "ok");
}

TEST(TokenAccount, ADayEndsAtMidnight) {
    Account account(per_day(1000));
    EXPECT_EQ(account.reserve("a", 900, 900), "ok");
    EXPECT_EQ(account.reserve("b", 101, 101), "day 86399000");
    EXPECT_EQ(account.reserve("b", 100, 100), "ok");
    const Millis midnight = (kToday + 1) * kDayMillis;
    EXPECT_EQ(account.reserve("c", 1, 1, midnight - 1), "day 1");
    EXPECT_EQ(account.reserve("c", 1000, 1000, midnight), "ok");
}

TEST(TokenAccount, ADayThatBeganBeforeTheAccountDid) {
    Account account(per_day(1000), 990);
    EXPECT_EQ(account.reserve("a", 11, 11), "day 86399000");
    EXPECT_EQ(account.reserve("a", 10, 10), "ok");
}

TEST(TokenAccount, TokensBelongToTheDayOnWhichTheyWereTaken) {
    Account account(per_day(1000));
    EXPECT_EQ(account.reserve("a", 600, 600), "ok");
    const Millis tomorrow = (kToday + 1) * kDayMillis + 5;
    account.renew("a", tomorrow - 100);
    EXPECT_EQ(account.reserve("b", 500, 500, tomorrow), "ok");
    account.settle_of(kToday, "a", 600, 0, tomorrow);
    EXPECT_EQ(account.reserve("c", 501, 501, tomorrow), "day 86399995");
    EXPECT_EQ(account.reserve("c", 500, 500, tomorrow), "ok");
}

TEST(TokenAccount, SoManyChatsAtOnce) {
    Account account(chats(2));
    EXPECT_EQ(account.reserve("a", 1, 1), "ok");
    EXPECT_EQ(account.reserve("b", 1, 1), "ok");
    EXPECT_EQ(account.reserve("c", 1, 1), "chats 1000");
    account.settle("a", 1, 1);
    EXPECT_EQ(account.reserve("c", 1, 1), "ok");
}

TEST(TokenAccount, AReservationEndsByItself) {
    Account account(chats(1));
    EXPECT_EQ(account.reserve("a", 1, 1), "ok");
    EXPECT_EQ(account.reserve("b", 1, 1, kNow + kReservationMillis - 1), "chats 1000");
    EXPECT_EQ(account.reserve("b", 1, 1, kNow + kReservationMillis), "ok");
    // The one that was forgotten cannot be renewed.
    account.renew("a", kNow + kReservationMillis);
    account.settle("b", 1, 1, kNow + kReservationMillis);
    EXPECT_EQ(account.reserve("c", 1, 1, kNow + kReservationMillis), "ok");
}

TEST(TokenAccount, AReservationLivesWhileItIsRenewed) {
    Account account(chats(1));
    EXPECT_EQ(account.reserve("a", 1, 1), "ok");
    account.renew("a", kNow + kReservationMillis - 1);
    EXPECT_EQ(account.reserve("b", 1, 1, kNow + kReservationMillis), "chats 1000");
    EXPECT_EQ(account.reserve("b", 1, 1, kNow + 2 * kReservationMillis - 1), "ok");
}

TEST(TokenAccount, WhatIsShortestIsTold) {
    Account account({600, 700, 1});
    EXPECT_EQ(account.reserve("a", 600, 600), "ok");
    EXPECT_EQ(account.reserve("b", 50, 50), "minute 5000");
    EXPECT_EQ(account.reserve("b", 150, 150), "day 86399000");
    EXPECT_EQ(account.reserve("b", 1, 1, kNow + 10'000), "chats 1000");
}

TEST(TokenAccount, ARefusalTakesNothing) {
    Account account({600, 1000, 1});
    EXPECT_EQ(account.reserve("a", 1, 1), "ok");
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(account.reserve("b", 100, 500), "chats 1000");
    account.settle("a", 1, 0);
    EXPECT_EQ(account.reserve("b", 600, 600), "ok");
}

TEST(TokenAccount, WhatIsNeverRefusedMakesDebts) {
    Account account({600, 1000, 1});
    EXPECT_EQ(account.reserve("a", 600, 600), "ok");
    EXPECT_EQ(account.reserve("memory", 0, 600), "ok");
    account.settle("a", 600, 600);
    account.settle("memory", 600, 300);
    EXPECT_EQ(account.reserve("b", 1, 1, kNow + 30'000), "minute 100");
    EXPECT_EQ(account.reserve("b", 101, 101, kNow + 60'000), "day 86339000");
}

TEST(TokenAccount, AChangedPlanTakesEffectAtOnce) {
    Account account(per_minute(600));
    EXPECT_EQ(account.reserve("a", 600, 600), "ok");
    EXPECT_NE(account.reserve("b", 100, 100), "ok");
    account.change(per_minute(1000));
    EXPECT_EQ(account.reserve("b", 400, 400), "ok");
    account.change(per_minute(100));
    EXPECT_NE(account.reserve("c", 1, 1), "ok");
    account.change({});
    EXPECT_EQ(account.reserve("c", 1, 1), "ok");
}

TEST(TokenAccount, AClockThatIsSetBackGivesNothingAway) {
    Account account(per_minute(600));
    EXPECT_EQ(account.reserve("a", 600, 600), "ok");
    EXPECT_EQ(account.reserve("b", 1, 1, kNow - 500), "minute 100");
}

TEST(TokenAccount, IsIdleLongAfterItsLastReservation) {
    Account account(per_minute(600));
    EXPECT_EQ(account.reserve("a", 1, 1), "ok");
    EXPECT_FALSE(account.is_idle(kNow + kDayMillis));
    account.settle("a", 1, 1);
    EXPECT_FALSE(account.is_idle(kNow + 60'000));
    EXPECT_TRUE(account.is_idle(kNow + kDayMillis));
}

} // namespace
} // namespace npcchat
