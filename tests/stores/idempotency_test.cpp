// The contract of IdempotencyStore.
#include "tests/stores/backends.hpp"

namespace npcchat::testing {
namespace {

using State = Repeat::State;

class Repeats : public ::testing::TestWithParam<Kind> {
  protected:
    IdempotencyKey key(std::string_view name = "key", std::string_view route = "/chat") const {
        return idempotency_key(user, route, name);
    }
    Repeat begin(IdempotencyKey one, std::string body = "body") {
        return loop.run(node.repeats().begin(std::move(one), std::move(body))).value();
    }
    void finish(const Running& running, std::string answer) {
        EXPECT_TRUE(loop.run(node.repeats().finish(running, std::move(answer))).has_value());
    }

    Loop loop; // outlives what runs on it
    Home home{GetParam()};
    Node node{loop, home};
    UserId user = new_user(loop, node, GetParam());
    UserId other_user = new_user(loop, node, GetParam());
};

INSTANTIATE_TEST_SUITE_P(All, Repeats,
                         ::testing::Values(Kind::sqlite, Kind::postgresql, Kind::redis, Kind::redis_cluster),
                         kind_name);

TEST_P(Repeats, TheFirstIsCarriedOut) {
    const Repeat first = begin(key());
    EXPECT_EQ(first.state, State::none);
    EXPECT_EQ(begin(key()).state, State::running);
    finish(first.running, "the answer \"\u00e9\"");
    const Repeat repeat = begin(key());
    EXPECT_EQ(repeat.state, State::answered);
    EXPECT_EQ(repeat.answer, "the answer \"\u00e9\"");
    EXPECT_EQ(begin(key()).state, State::answered);
}

TEST_P(Repeats, AnotherBodyIsAnotherRequest) {
    const Repeat first = begin(key());
    EXPECT_EQ(begin(key(), "other").state, State::other_body);
    finish(first.running, "answer");
    EXPECT_EQ(begin(key(), "other").state, State::other_body);
    EXPECT_EQ(begin(key()).state, State::answered);
}

TEST_P(Repeats, KeysAreTheUsersAndTheRoutes) {
    finish(begin(key()).running, "answer");
    EXPECT_EQ(begin(key("key2")).state, State::none);
    EXPECT_EQ(begin(key("key", "/chat_npc")).state, State::none);
    EXPECT_EQ(begin(idempotency_key(other_user, "/chat", "key")).state, State::none);
    EXPECT_EQ(begin(key()).state, State::answered);
}

TEST_P(Repeats, OneThatWasAbandonedIsTheFirstAgain) {
    const Repeat first = begin(key());
    loop.run(node.repeats().abandon(first.running));
    const Repeat second = begin(key(), "other");
    EXPECT_EQ(second.state, State::none);
    EXPECT_NE(second.running.token, first.running.token);
    // The one that has lost its right changes nothing.
    loop.run(node.repeats().abandon(first.running));
    loop.run(node.repeats().finish(first.running, "too late"));
    loop.run(node.repeats().renew(first.running));
    EXPECT_EQ(begin(key(), "other").state, State::running);
    finish(second.running, "answer");
    loop.run(node.repeats().abandon(second.running));
    EXPECT_EQ(begin(key(), "other").answer, "answer");
}

TEST_P(Repeats, OfManyAtOnceOneIsTheFirst) {
    std::vector<Outcome<Result<Repeat>>> outcomes;
    for (int i = 0; i < 20; ++i)
        outcomes.push_back(loop.start(node.repeats().begin(key(), "body")));
    int first = 0;
    for (const auto& outcome : outcomes)
        first += loop.finish(outcome).value().state == State::none;
    EXPECT_EQ(first, 1);
}

TEST_P(Repeats, OneWhoseProcessDiedIsTheFirstAgain) {
    if (GetParam() == Kind::redis_cluster) GTEST_SKIP() << "takes long, and no longer than in one Redis";
    const Repeat renewed = begin(key("renewed"));
    begin(key("dead"));
    loop.run_for(std::chrono::milliseconds(kRunningMillis * 2 / 3));
    loop.run(node.repeats().renew(renewed.running));
    EXPECT_TRUE(loop.poll(
        kPatience, [&] { return node.repeats().begin(key("dead"), "body"); },
        [](const auto& repeat) { return repeat.value().state == State::none; }));
    EXPECT_EQ(begin(key("renewed")).state, State::running);
}

TEST_P(Repeats, AreForgottenWithTheirUser) {
    finish(begin(key()).running, "answer");
    ASSERT_TRUE(loop.run(node.sessions().forget_user(user)).has_value());
    if (is_redis(GetParam())) {
        EXPECT_EQ(begin(key()).state, State::none);
    } else {
        loop.run(node.catalog().delete_user(user));
        EXPECT_EQ(home.query("SELECT count(*) FROM idempotency"), "0");
        const auto refused = loop.run(node.repeats().begin(key(), "body"));
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().status, 401);
    }
}

} // namespace
} // namespace npcchat::testing
