#include "tests/stores/catalog_fixture.hpp"

namespace npcchat::testing {
namespace {

class CatalogImport : public CatalogTest {
  protected:
    // The name under which the user was added.
    std::optional<std::string> import_user(const std::string& name, const std::string& key,
                                           const std::string& hash = "") {
        const std::string own_hash = hash.empty() ? "$2b$ of " + name : hash;
        return loop.run(catalog.import_user(name, own_hash, sha256_hex(key))).value();
    }
    bool import_npc(const std::string& id, UserId owner = kAdminId, const std::string& character = "smith") {
        return loop.run(catalog.import_npc(Npc{id, owner, "", character, "Skyrim", true, 1000, 1000}))
            .value();
    }
    std::optional<Npc> npc(const std::string& id) { return loop.run(catalog.find_npc(id)).value(); }
    std::string counts() {
        return home.query(
            "SELECT (SELECT count(*) FROM users) || ' ' || (SELECT count(*) FROM api_keys) || ' ' || "
            "(SELECT count(*) FROM npcs)");
    }
};

INSTANTIATE_TEST_SUITE_P(All, CatalogImport, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

TEST_P(CatalogImport, TakesUsersOver) {
    EXPECT_EQ(import_user("Aela", "token8438316761499410150", "$2b$12$hash"), "Aela");
    const auto owner = owner_of("token8438316761499410150");
    ASSERT_TRUE(owner.has_value());
    EXPECT_EQ(owner->user.name, "Aela");
    EXPECT_GT(owner->user.id, kAdminId);
    EXPECT_EQ(owner->expires_in, 0);
    EXPECT_EQ(login("aela")->password_hash, "$2b$12$hash");
    EXPECT_EQ(named("aela")->id, owner->user.id);
}

TEST_P(CatalogImport, TakesOddNamesOver) {
    for (const auto* name :
         {"J\u00f6rg M\u00fcller", "a b", "\u9f8d", "x:y/z", "token123", "npc_abc", "' OR 1=1"}) {
        EXPECT_EQ(import_user(name, std::string("key of ") + name), name);
        EXPECT_EQ(owner_of(std::string("key of ") + name)->user.name, name);
        EXPECT_EQ(login(name)->id, owner_of(std::string("key of ") + name)->user.id);
    }
}

TEST_P(CatalogImport, ChangesNothingTheSecondTime) {
    EXPECT_EQ(import_user("Aela", "key"), "Aela");
    EXPECT_TRUE(import_npc("npc-1"));
    const std::string before = counts();
    EXPECT_EQ(import_user("Aela", "key"), std::nullopt);
    EXPECT_EQ(import_user("Aela", "another key", "another hash"), std::nullopt);
    EXPECT_FALSE(import_npc("npc-1"));
    EXPECT_EQ(counts(), before);
    EXPECT_EQ(owner_of("another key"), std::nullopt);
    EXPECT_EQ(owner_of("key")->user.name, "Aela");
}

TEST_P(CatalogImport, RevivesNothing) {
    import_user("Aela", "key");
    const auto id = owner_of("key")->user.id;
    replace_key(id, "new");
    EXPECT_TRUE(loop.run(catalog.set_password_hash(id, "$y$new")).has_value());
    EXPECT_EQ(import_user("Aela", "key"), std::nullopt);
    EXPECT_EQ(owner_of("key"), std::nullopt);
    EXPECT_EQ(owner_of("new")->user.id, id);
    EXPECT_EQ(login("aela")->password_hash, "$y$new");

    EXPECT_TRUE(import_npc("npc-1"));
    EXPECT_TRUE(loop.run(catalog.delete_npc("npc-1")).value());
    EXPECT_FALSE(import_npc("npc-1"));
    EXPECT_EQ(npc("npc-1"), std::nullopt);

    home.query("DELETE FROM users WHERE name = 'Aela'");
    EXPECT_EQ(import_user("Aela", "key"), std::nullopt);
    EXPECT_EQ(owner_of("key"), std::nullopt);
}

TEST_P(CatalogImport, NamesThatDifferByCaseStayApart) {
    EXPECT_EQ(import_user("bob", "key 1"), "bob");
    EXPECT_EQ(import_user("Bob", "key 2"), "Bob");
    EXPECT_EQ(import_user("BOB", "key 3"), "BOB");
    EXPECT_EQ(login("bob")->id, owner_of("key 1")->user.id);
    EXPECT_EQ(login("Bob")->id, owner_of("key 2")->user.id);
    EXPECT_EQ(login("BOB")->id, owner_of("key 3")->user.id);
    EXPECT_EQ(login("bOb")->id, owner_of("key 1")->user.id);
    EXPECT_EQ(login("Bob")->password_hash, "$2b$ of Bob");
    EXPECT_NE(owner_of("key 1")->user.id, owner_of("key 2")->user.id);
    EXPECT_EQ(named("Bob")->id, owner_of("key 2")->user.id);
    for (const auto* name : {"bob", "Bob", "BOB"})
        EXPECT_EQ(import_user(name, "other"), std::nullopt) << name;
    EXPECT_EQ(sign_up("bOB", "mine"), std::nullopt);
}

TEST_P(CatalogImport, UsersOfOursKeepTheirNames) {
    const auto ours = sign_up("bob", "ours").value();
    EXPECT_EQ(import_user("bob", "seed's"), "bob_seed");
    EXPECT_EQ(login("bob")->id, ours);
    EXPECT_EQ(owner_of("ours")->user.id, ours);
    EXPECT_EQ(owner_of("seed's")->user.name, "bob_seed");
    EXPECT_NE(owner_of("seed's")->user.id, ours);
    EXPECT_EQ(login("bob_seed")->password_hash, "$2b$ of bob");
    EXPECT_EQ(import_user("bob", "seed's"), std::nullopt);
    EXPECT_EQ(login("bob_seed")->id, owner_of("seed's")->user.id);
}

TEST_P(CatalogImport, SaysWhereNoNameIsFree) {
    sign_up("bob", "ours");
    sign_up("bob_seed", "also ours");
    const auto imported = loop.run(catalog.import_user("bob", "hash", sha256_hex("seed's")));
    ASSERT_FALSE(imported.has_value());
    EXPECT_EQ(imported.error().status, 409);
    EXPECT_EQ(owner_of("seed's"), std::nullopt);
}

TEST_P(CatalogImport, TheSeedsAdminIsNotOurs) {
    for (const auto* name : {"admin", "Admin", "ADMIN"}) {
        const std::string key = std::string("key of ") + name;
        const auto added = import_user(name, key, "$2b$ of the seed's");
        ASSERT_TRUE(added.has_value()) << name;
        EXPECT_NE(*added, kAdminName);
        const auto owner = owner_of(key);
        ASSERT_TRUE(owner.has_value()) << name;
        EXPECT_NE(owner->user.id, kAdminId) << name;
        EXPECT_NE(owner->user.name, kAdminName) << name;
        EXPECT_NE(login(*added)->id, kAdminId) << name;
    }
    EXPECT_EQ(login("admin")->id, kAdminId);
    EXPECT_EQ(login("admin")->password_hash, "");
    EXPECT_EQ(named("admin")->id, kAdminId);
}

TEST_P(CatalogImport, NoPasswordOpensAnEmptyHash) {
    EXPECT_EQ(loop.run(catalog.import_user("one", "", sha256_hex("key 1"))).value(), "one");
    EXPECT_EQ(loop.run(catalog.import_user("two", "", sha256_hex("key 2"))).value(), "two");
    EXPECT_EQ(owner_of("key 1")->user.name, "one");
    EXPECT_EQ(owner_of("key 2")->user.name, "two");
    EXPECT_NE(login("one")->password_hash, login("two")->password_hash);
    EXPECT_TRUE(login("one")->password_hash.starts_with('!'));
}

TEST_P(CatalogImport, AKeyOfTwoIsTheFirstOnes) {
    EXPECT_EQ(import_user("one", "shared"), "one");
    EXPECT_EQ(import_user("two", "shared"), "two");
    EXPECT_EQ(owner_of("shared")->user.name, "one");
    EXPECT_TRUE(login("two").has_value());
}

TEST_P(CatalogImport, TwoOfAUserAtOnceAreOne) {
    Node second(loop, home);
    for (int round = 0; round < 10; ++round) {
        const std::string name = "Racer" + std::to_string(round);
        const auto one = loop.start(catalog.import_user(name, "$2b$ hash", sha256_hex(name)));
        const auto two = loop.start(second.catalog().import_user(name, "$2b$ hash", sha256_hex(name)));
        ASSERT_TRUE(loop.finish(one).has_value() && loop.finish(two).has_value());
        EXPECT_EQ(owner_of(name)->user.name, name);
    }
    EXPECT_EQ(home.query("SELECT count(*) FROM users WHERE id <> 0"), "10");
}

TEST_P(CatalogImport, TwoOfAnNpcAtOnceAreOne) {
    Node second(loop, home);
    for (int round = 0; round < 10; ++round) {
        const Npc npc{"npc-" + std::to_string(round), kAdminId, "", "smith", "Skyrim", false, 1, 1};
        const auto one = loop.start(catalog.import_npc(npc));
        const auto two = loop.start(second.catalog().import_npc(npc));
        EXPECT_NE(loop.finish(one).value(), loop.finish(two).value());
    }
}

TEST_P(CatalogImport, TakesNpcsOver) {
    EXPECT_TRUE(import_npc("9f1b2c3d", kAdminId, "J\u00f6rg"));
    const auto found = npc("9f1b2c3d");
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->owner_id, kAdminId);
    EXPECT_EQ(found->owner, "admin");
    EXPECT_EQ(found->char_descr, "J\u00f6rg");
    EXPECT_EQ(found->world_descr, "Skyrim");
    EXPECT_TRUE(found->has_scratchpad);
    EXPECT_EQ(found->created, 1000);
}

TEST_P(CatalogImport, NpcsOfOursStay) {
    const auto id = loop.run(catalog.create_npc(kAdminId, "ours", "ours", false)).value().npc_id;
    EXPECT_FALSE(import_npc(id));
    EXPECT_EQ(npc(id)->char_descr, "ours");
    import_npc("npc-1");
    EXPECT_TRUE(loop.run(catalog.change_npc("npc-1", {"changed", {}, {}})).value().has_value());
    EXPECT_FALSE(import_npc("npc-1"));
    EXPECT_EQ(npc("npc-1")->char_descr, "changed");
}

} // namespace
} // namespace npcchat::testing
