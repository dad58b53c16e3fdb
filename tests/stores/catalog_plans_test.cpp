// Plans, the list of users, their end, and what they have used.
#include "tests/stores/catalog_fixture.hpp"

#include <algorithm>

namespace npcchat::testing {
namespace {

class CatalogPlans : public CatalogTest {
  protected:
    std::vector<std::string> names(UserId after, int limit) {
        std::vector<std::string> found;
        for (const User& user : loop.run(catalog.list_users(after, limit)).value())
            found.push_back(user.name);
        return found;
    }
    void use(UserId user, std::int64_t day, const std::string& model, std::int64_t in, std::int64_t out) {
        ASSERT_TRUE(loop.run(catalog.add_usage({ModelUsage{user, day, model, 1, in, out}})).has_value());
    }
    std::vector<std::string> used(UserId user, std::int64_t first, std::int64_t last) {
        std::vector<std::string> lines;
        for (const ModelUsage& one : loop.run(catalog.usage_of(user, first, last)).value()) {
            lines.push_back(fmt::format("{} {}: {} {}+{}", one.day, one.model, one.requests,
                                        one.prompt_tokens, one.completion_tokens));
        }
        return lines;
    }
};

INSTANTIATE_TEST_SUITE_P(All, CatalogPlans, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

using Strings = std::vector<std::string>;

TEST_P(CatalogPlans, UsersAreListedInTheOrderOfTheirMaking) {
    EXPECT_EQ(names(0, 10), Strings()); // without the admin
    const auto first = sign_up("Bo").value();
    const auto second = sign_up("al").value();
    sign_up("cy");
    EXPECT_EQ(names(0, 10), (Strings{"Bo", "al", "cy"}));
    EXPECT_EQ(names(-5, 2), (Strings{"Bo", "al"}));
    EXPECT_EQ(names(first, 1), Strings{"al"});
    EXPECT_EQ(names(second, 10), Strings{"cy"});
    const auto user = loop.run(catalog.list_users(0, 1)).value().front();
    EXPECT_EQ(user.id, first);
    EXPECT_NEAR(static_cast<double>(user.created), static_cast<double>(now_ms()), 60'000);
}

TEST_P(CatalogPlans, APlanComesWithTheKey) {
    const auto id = sign_up("al", "one").value();
    replace_key(id, "two", 60'000);
    auto digests = loop.run(catalog.set_plan(id, R"({"burst": 5})")).value();
    Strings both = {sha256_hex("one"), sha256_hex("two")};
    std::ranges::sort(digests);
    std::ranges::sort(both);
    EXPECT_EQ(digests, both);
    EXPECT_EQ(owner_of("one")->user.plan, R"({"burst": 5})");
    EXPECT_EQ(owner_of("two")->user.plan, R"({"burst": 5})");
    EXPECT_GT(owner_of("one")->expires_in, 0);
    EXPECT_EQ(owner_of("two")->expires_in, 0);
    EXPECT_EQ(named("al")->plan, R"({"burst": 5})");
    loop.run(catalog.set_plan(id, ""));
    EXPECT_EQ(named("al")->plan, "");
}

TEST_P(CatalogPlans, NobodyIsLeftOfADeletedUser) {
    const auto id = sign_up("Al", "key").value();
    const auto other = sign_up("bo", "other key").value();
    const auto npc = loop.run(catalog.create_npc(id, "c", "w", false)).value();
    const auto kept = loop.run(catalog.create_npc(other, "c", "w", false)).value();
    use(id, 1, "m", 1, 1);
    for (int i = 0; i < 3; ++i)
        loop.run(catalog.count_login_attempt("al", 60'000));

    const auto deleted = loop.run(catalog.delete_user(id)).value();
    ASSERT_TRUE(deleted.has_value());
    EXPECT_EQ(deleted->key_digests, Strings{sha256_hex("key")});
    EXPECT_EQ(deleted->npc_ids, Strings{npc.npc_id});
    EXPECT_EQ(owner_of("key"), std::nullopt);
    EXPECT_EQ(named("al"), std::nullopt);
    EXPECT_EQ(login("al"), std::nullopt);
    EXPECT_EQ(loop.run(catalog.find_npc(npc.npc_id)).value(), std::nullopt);
    EXPECT_EQ(used(id, 0, 10), Strings());
    EXPECT_EQ(loop.run(catalog.delete_user(id)).value(), std::nullopt);

    EXPECT_TRUE(loop.run(catalog.find_npc(kept.npc_id)).value().has_value());
    EXPECT_EQ(owner_of("other key")->user.id, other);
    // Who takes the name inherits nothing.
    const auto again = sign_up("al", "new key").value();
    EXPECT_GT(again, other);
    EXPECT_EQ(loop.run(catalog.count_login_attempt("al", 60'000)).value().count, 1);
}

TEST_P(CatalogPlans, TheAdminStays) {
    EXPECT_EQ(loop.run(catalog.delete_user(kAdminId)).value(), std::nullopt);
    EXPECT_TRUE(loop.run(catalog.find_user(kAdminId)).value().has_value());
}

TEST_P(CatalogPlans, UsageAddsUp) {
    const auto id = sign_up("al").value();
    const auto other = sign_up("bo").value();
    use(id, 10, "b", 5, 7);
    use(id, 10, "a", 1, 2);
    use(id, 10, "b", 10, 20);
    use(id, 11, "a", 3, 4);
    use(id, 12, "a", 100, 100);
    use(other, 10, "a", 1000, 1000);
    EXPECT_EQ(used(id, 10, 11), (Strings{"11 a: 1 3+4", "10 a: 1 1+2", "10 b: 2 15+27"}));
    EXPECT_EQ(used(id, 0, 9), Strings());
    EXPECT_EQ(loop.run(catalog.tokens_used(id, 10)).value(), 45);
    EXPECT_EQ(loop.run(catalog.tokens_used(id, 9)).value(), 0);
}

TEST_P(CatalogPlans, TheAdminsUsageCountsToo) {
    use(kAdminId, 10, "a", 1, 2);
    EXPECT_EQ(used(kAdminId, 10, 10), Strings{"10 a: 1 1+2"});
}

TEST_P(CatalogPlans, UsageOfADeletedUserDoesNotEndTheOthers) {
    const auto id = sign_up("al").value();
    const auto done = loop.run(catalog.add_usage({{987'654, 10, "a", 1, 1, 1}, {id, 10, "a", 1, 2, 3}}));
    EXPECT_TRUE(done.has_value());
    EXPECT_EQ(used(id, 10, 10), Strings{"10 a: 1 2+3"});
    EXPECT_EQ(used(987'654, 10, 10), Strings());
}

} // namespace
} // namespace npcchat::testing
