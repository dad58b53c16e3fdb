#include "tests/stores/catalog_fixture.hpp"

#include <algorithm>
#include <set>

namespace npcchat::testing {
namespace {

using Strings = std::vector<std::string>;

class CatalogUsers : public CatalogTest {
  protected:
    static Strings sorted(Strings strings) {
        std::ranges::sort(strings);
        return strings;
    }
    static Strings digests(const Strings& keys) {
        Strings all;
        for (const std::string& key : keys)
            all.push_back(sha256_hex(key));
        return sorted(all);
    }
    Strings replace_key(UserId id, const std::string& key, Millis grace = 0) {
        return sorted(CatalogTest::replace_key(id, key, grace));
    }
};

INSTANTIATE_TEST_SUITE_P(All, CatalogUsers, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

TEST_P(CatalogUsers, AreMade) {
    const auto id = sign_up("Aela", "key");
    ASSERT_TRUE(id.has_value());
    EXPECT_GT(*id, kAdminId);
    const auto user = loop.run(catalog.find_user(*id)).value();
    ASSERT_TRUE(user.has_value());
    EXPECT_EQ(user->id, *id);
    EXPECT_EQ(user->name, "Aela");
    EXPECT_EQ(user->plan, "");
    EXPECT_EQ(named("aela")->id, *id);
    EXPECT_EQ(owner_of("key")->user.id, *id);
    EXPECT_EQ(owner_of("key")->user.name, "Aela");
    EXPECT_EQ(owner_of("key")->expires_in, 0);
}

TEST_P(CatalogUsers, HaveIdsOfTheirOwn) {
    std::set<UserId> ids;
    for (int i = 0; i < 20; ++i)
        ids.insert(sign_up("user" + std::to_string(i)).value());
    EXPECT_EQ(ids.size(), 20U);
    EXPECT_FALSE(ids.contains(kAdminId));
}

TEST_P(CatalogUsers, ANameIsTakenInAnyCase) {
    const auto id = sign_up("Aela", "key");
    for (const auto* name : {"Aela", "aela", "AELA", "aELa"}) {
        EXPECT_EQ(sign_up(name, std::string("of ") + name), std::nullopt) << name;
        EXPECT_EQ(owner_of(std::string("of ") + name), std::nullopt) << name;
    }
    EXPECT_EQ(owner_of("key")->user.id, id);
    EXPECT_EQ(owner_of("key")->user.name, "Aela");
    EXPECT_EQ(home.query("SELECT count(*) FROM api_keys"), "1");
}

// Who signs up with a taken name gets no key, also where the user has none left.
TEST_P(CatalogUsers, ATakenNameWithoutAKeyGivesNone) {
    const auto id = sign_up("Aela", "key");
    ASSERT_TRUE(id.has_value());
    home.query("DELETE FROM api_keys");
    EXPECT_EQ(sign_up("Aela", "new"), std::nullopt);
    EXPECT_EQ(owner_of("new"), std::nullopt);
}

TEST_P(CatalogUsers, OneOfTwoWhoSignUpAtOnceGetsTheName) {
    Node second(loop, home);
    for (int round = 0; round < 20; ++round) {
        const std::string name = "racer" + std::to_string(round);
        const auto one = loop.start(catalog.create_user(name, "hash 1", sha256_hex(name + "1")));
        const auto two = loop.start(second.catalog().create_user(name, "hash 2", sha256_hex(name + "2")));
        const auto first = loop.finish(one).value();
        const auto other = loop.finish(two).value();
        ASSERT_NE(first.has_value(), other.has_value());
        EXPECT_EQ(owner_of(name + "1").has_value(), first.has_value());
        EXPECT_EQ(owner_of(name + "2").has_value(), other.has_value());
        EXPECT_EQ(login(name)->password_hash, first ? "hash 1" : "hash 2");
    }
}

TEST_P(CatalogUsers, TheAdminIsThereFromTheStart) {
    const auto admin = named("admin");
    ASSERT_TRUE(admin.has_value());
    EXPECT_EQ(admin->id, kAdminId);
    EXPECT_EQ(admin->name, kAdminName);
    EXPECT_EQ(login("admin")->password_hash, ""); // no password opens it
    for (const auto* name : {"admin", "Admin", "ADMIN"}) {
        EXPECT_EQ(sign_up(name, "key"), std::nullopt) << name;
        EXPECT_EQ(owner_of("key"), std::nullopt) << name;
    }
}

TEST_P(CatalogUsers, UnknownOnesAreNone) {
    EXPECT_EQ(named("nobody"), std::nullopt);
    EXPECT_EQ(named("Aela"), std::nullopt);
    EXPECT_EQ(login("nobody"), std::nullopt);
    EXPECT_EQ(owner_of("nobody's"), std::nullopt);
    EXPECT_EQ(loop.run(catalog.find_key("")).value(), std::nullopt);
    EXPECT_EQ(loop.run(catalog.find_user(999)).value(), std::nullopt);
    EXPECT_EQ(loop.run(catalog.find_user(-1)).value(), std::nullopt);
}

TEST_P(CatalogUsers, LogInInAnyCase) {
    const auto id = loop.run(catalog.create_user("Aela", "the hash", sha256_hex("key"))).value();
    for (const auto* name : {"Aela", "aela", "AELA"}) {
        const auto found = login(name);
        ASSERT_TRUE(found.has_value()) << name;
        EXPECT_EQ(found->id, id);
        EXPECT_EQ(found->password_hash, "the hash");
    }
    EXPECT_EQ(login("Ael"), std::nullopt);
    EXPECT_EQ(login(""), std::nullopt);
    EXPECT_EQ(login("' OR 1=1 --"), std::nullopt);
}

TEST_P(CatalogUsers, GetNewPasswords) {
    const auto one = sign_up("one").value();
    const auto two = sign_up("two").value();
    const auto before = login("two")->password_hash;
    EXPECT_TRUE(loop.run(catalog.set_password_hash(one, "$y$new")).has_value());
    EXPECT_EQ(login("one")->password_hash, "$y$new");
    EXPECT_EQ(login("two")->password_hash, before);
    EXPECT_EQ(login("two")->id, two);
    EXPECT_EQ(owner_of("key of one")->user.id, one);
}

TEST_P(CatalogUsers, AttemptsAreCounted) {
    const auto count = [&](const std::string& name) {
        return loop.run(catalog.count_login_attempt(name, 60'000)).value();
    };
    for (int i = 1; i <= 12; ++i) {
        const auto attempts = count("aela");
        EXPECT_EQ(attempts.count, i);
        EXPECT_GT(attempts.window_left, 0);
        EXPECT_LE(attempts.window_left, 60'000);
    }
    EXPECT_EQ(count("other").count, 1);
    EXPECT_TRUE(loop.run(catalog.forget_login_attempts("aela")).has_value());
    EXPECT_EQ(count("aela").count, 1);
    EXPECT_EQ(count("other").count, 2);
    EXPECT_TRUE(loop.run(catalog.forget_login_attempts("nobody")).has_value());
}

TEST_P(CatalogUsers, AttemptsAreForgottenWithTheirWindow) {
    constexpr Millis window = 400;
    const auto count = [&] { return catalog.count_login_attempt("aela", window); };
    EXPECT_EQ(loop.run(count()).value().count, 1);
    const auto begun = Clock::now();
    std::int64_t before = 1;
    const bool restarted = loop.poll(kPatience, count, [&](const auto& attempts) {
        if (attempts.value().count == 1) return true;
        EXPECT_EQ(attempts->count, before + 1);
        EXPECT_LE(attempts->window_left, window);
        before = attempts->count;
        return false;
    });
    EXPECT_TRUE(restarted);
    EXPECT_GE(Clock::now() - begun, std::chrono::milliseconds(window - 50)); // the window does not move
    EXPECT_LE(Clock::now() - begun, std::chrono::milliseconds(window + 2'000));
    EXPECT_GT(before, 1);
}

TEST_P(CatalogUsers, AttemptsAtOnceAreAllCounted) {
    Node second(loop, home);
    std::vector<Outcome<Result<Catalog::Attempts>>> outcomes;
    for (int i = 0; i < 20; ++i)
        outcomes.push_back(
            loop.start((i % 2 ? second.catalog() : catalog).count_login_attempt("aela", 60'000)));
    std::set<std::int64_t> counts;
    for (const auto& outcome : outcomes)
        counts.insert(loop.finish(outcome).value().count);
    EXPECT_EQ(counts.size(), 20U);
    EXPECT_EQ(*counts.rbegin(), 20);
}

TEST_P(CatalogUsers, KeysAreReplacedNow) {
    const auto id = sign_up("Aela", "old").value();
    EXPECT_EQ(replace_key(id, "new"), digests({"old"}));
    EXPECT_EQ(owner_of("old"), std::nullopt);
    EXPECT_EQ(owner_of("new")->user.id, id);
    EXPECT_EQ(owner_of("new")->expires_in, 0);
    EXPECT_EQ(replace_key(id, "newer"), digests({"new"}));
    EXPECT_EQ(home.query("SELECT count(*) FROM api_keys"), "1");
}

TEST_P(CatalogUsers, OnlyTheirOwnKeysEnd) {
    const auto one = sign_up("one").value();
    const auto two = sign_up("two").value();
    replace_key(one, "new");
    EXPECT_EQ(owner_of("key of two")->user.id, two);
    EXPECT_EQ(owner_of("key of two")->expires_in, 0);
    replace_key(one, "newer", 60'000);
    EXPECT_EQ(owner_of("key of two")->expires_in, 0);
}

TEST_P(CatalogUsers, KeysAreReplacedWithGrace) {
    const auto id = sign_up("Aela", "old").value();
    EXPECT_EQ(replace_key(id, "new", 60'000), digests({"old"}));
    EXPECT_EQ(owner_of("old")->user.id, id);
    EXPECT_GT(owner_of("old")->expires_in, 50'000);
    EXPECT_LE(owner_of("old")->expires_in, 60'000);
    EXPECT_EQ(owner_of("new")->expires_in, 0);
    EXPECT_EQ(replace_key(id, "newer", 120'000), digests({"new"})); // a longer grace is for the newest one
    EXPECT_LE(owner_of("old")->expires_in, 60'000);
    EXPECT_GT(owner_of("new")->expires_in, 110'000);
    EXPECT_EQ(replace_key(id, "newest", 10'000), digests({"old", "new", "newer"})); // a shorter one for all
    EXPECT_LE(owner_of("old")->expires_in, 10'000);
    EXPECT_LE(owner_of("new")->expires_in, 10'000);
    EXPECT_EQ(replace_key(id, "last"), digests({"old", "new", "newer", "newest"}));
    EXPECT_EQ(owner_of("newest"), std::nullopt);
    EXPECT_EQ(owner_of("last")->user.id, id);
}

TEST_P(CatalogUsers, KeysEndWithTheirGrace) {
    const auto id = sign_up("Aela", "old").value();
    replace_key(id, "new", 300);
    const auto begun = Clock::now();
    const bool ended = loop.poll(
        kPatience, [&] { return catalog.find_key(sha256_hex("old")); },
        [](const auto& owner) {
            if (owner.value()) EXPECT_GT((*owner)->expires_in, 0);
            return !owner->has_value();
        });
    EXPECT_TRUE(ended);
    EXPECT_GE(Clock::now() - begun, std::chrono::milliseconds(200));
    EXPECT_LE(Clock::now() - begun, std::chrono::milliseconds(2'000));
    EXPECT_EQ(owner_of("new")->user.id, id);
}

TEST_P(CatalogUsers, TwoWhoReplaceAKeyAtOnceLeaveOne) {
    Node second(loop, home);
    const auto id = sign_up("Aela", "old").value();
    for (int round = 0; round < 20; ++round) {
        const std::string key = "round" + std::to_string(round);
        const auto one = loop.start(catalog.replace_key(id, sha256_hex(key + "1"), 0));
        const auto two = loop.start(second.catalog().replace_key(id, sha256_hex(key + "2"), 0));
        ASSERT_TRUE(loop.finish(one).has_value() && loop.finish(two).has_value());
        EXPECT_NE(owner_of(key + "1").has_value(), owner_of(key + "2").has_value());
        EXPECT_EQ(home.query("SELECT count(*) FROM api_keys"), "1");
    }
}

TEST_P(CatalogUsers, NobodyGetsNoKey) {
    EXPECT_EQ(replace_key(999, "key"), Strings{});
    EXPECT_EQ(owner_of("key"), std::nullopt);
}

TEST_P(CatalogUsers, PlansComeWithTheKey) {
    const auto id = sign_up("Aela", "key").value();
    home.query("UPDATE users SET plan = '{\"requests_per_minute\": 60}' WHERE name = 'Aela'");
    EXPECT_EQ(owner_of("key")->user.plan, "{\"requests_per_minute\": 60}");
    EXPECT_EQ(loop.run(catalog.find_user(id)).value()->plan, "{\"requests_per_minute\": 60}");
    replace_key(id, "new");
    EXPECT_EQ(owner_of("new")->user.plan, "{\"requests_per_minute\": 60}");
}

TEST_P(CatalogUsers, NoKeyIsStoredAsItIs) {
    sign_up("Aela", "npc_plain");
    EXPECT_EQ(home.query("SELECT count(*) FROM api_keys WHERE digest LIKE '%npc_plain%'"), "0");
    EXPECT_EQ(home.query("SELECT digest FROM api_keys"), sha256_hex("npc_plain"));
}

TEST_P(CatalogUsers, IdsAreNotGivenTwice) {
    const auto first = sign_up("Aela").value();
    home.query("DELETE FROM users WHERE name = 'Aela'");
    EXPECT_EQ(owner_of("key of Aela"), std::nullopt);
    const auto second = sign_up("Aela", "new").value();
    EXPECT_GT(second, first);
    EXPECT_TRUE(loop.run(catalog.ping()).has_value());
}

} // namespace
} // namespace npcchat::testing
