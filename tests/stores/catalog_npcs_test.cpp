#include "account/names.hpp"
#include "tests/stores/catalog_fixture.hpp"

namespace npcchat::testing {
namespace {

using Strings = std::vector<std::string>;

class CatalogNpcs : public CatalogTest {
  protected:
    Npc create(UserId owner, std::string character = "smith", std::string world = "Skyrim",
               bool scratchpad = false) {
        return loop.run(catalog.create_npc(owner, std::move(character), std::move(world), scratchpad))
            .value();
    }
    std::optional<Npc> find(const std::string& npc_id) { return loop.run(catalog.find_npc(npc_id)).value(); }
    std::optional<Npc> change(const std::string& npc_id, NpcChange change) {
        return loop.run(catalog.change_npc(npc_id, std::move(change))).value();
    }
    bool remove(const std::string& npc_id) { return loop.run(catalog.delete_npc(npc_id)).value(); }
    std::vector<Npc> list(std::optional<UserId> owner, NpcCursor after, int limit) {
        return loop.run(catalog.list_npcs(owner, std::move(after), limit)).value();
    }
    // All of them, page by page.
    Strings pages(std::optional<UserId> owner, int limit) {
        Strings ids;
        NpcCursor cursor;
        for (auto page = list(owner, cursor, limit); !page.empty(); page = list(owner, cursor, limit)) {
            EXPECT_LE(page.size(), static_cast<std::size_t>(limit));
            for (const Npc& npc : page)
                ids.push_back(npc.npc_id);
            cursor = NpcCursor{page.back().created, page.back().npc_id};
        }
        return ids;
    }

    UserId one = sign_up("One").value();
    UserId two = sign_up("two").value();
};

INSTANTIATE_TEST_SUITE_P(All, CatalogNpcs, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

TEST_P(CatalogNpcs, AreMade) {
    const Millis before = now_ms();
    const Npc made = create(one, "smith", "Skyrim", true);
    EXPECT_TRUE(is_uuid4(made.npc_id)) << made.npc_id;
    EXPECT_GE(made.created, before);
    const auto found = find(made.npc_id);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->npc_id, made.npc_id);
    EXPECT_EQ(found->owner_id, one);
    EXPECT_EQ(found->owner, "One");
    EXPECT_EQ(found->char_descr, "smith");
    EXPECT_EQ(found->world_descr, "Skyrim");
    EXPECT_TRUE(found->has_scratchpad);
    EXPECT_EQ(found->created, made.created);
    EXPECT_EQ(found->updated, made.created);
    EXPECT_FALSE(find(create(one).npc_id)->has_scratchpad);
}

TEST_P(CatalogNpcs, OfTheAdminAreHis) {
    const auto found = find(create(kAdminId).npc_id);
    EXPECT_EQ(found->owner_id, kAdminId);
    EXPECT_EQ(found->owner, "admin");
}

TEST_P(CatalogNpcs, KeepTheirTexts) {
    std::string signs;
    for (char c = 1; c < 127; ++c)
        signs.push_back(c);
    std::string world = signs + "J\u00f6rg \u9f8d \U0001F600 $1 '; --";
    while (world.size() < 65'536)
        world += "x";
    const auto found = find(create(one, signs, world).npc_id);
    EXPECT_EQ(found->char_descr, signs);
    EXPECT_EQ(found->world_descr, world);
    EXPECT_EQ(change(found->npc_id, {world, {}, {}})->char_descr, world);
}

TEST_P(CatalogNpcs, UnknownOnesAreNone) {
    create(one);
    for (const auto* id : {"", "x", "00000000-0000-4000-8000-000000000000", "' OR 1=1 --"}) {
        EXPECT_EQ(find(id), std::nullopt) << id;
        EXPECT_EQ(change(id, {"x", {}, {}}), std::nullopt) << id;
        EXPECT_FALSE(remove(id)) << id;
    }
    EXPECT_EQ(pages(std::nullopt, 10).size(), 1U);
}

TEST_P(CatalogNpcs, AreListedOldestFirst) {
    Strings ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(create(one, "npc" + std::to_string(i)).npc_id);
        const Millis made = now_ms();
        loop.run_until([&] { return now_ms() > made; }, kPatience); // another millisecond
    }
    EXPECT_EQ(pages(one, 100), ids);
    EXPECT_EQ(pages(one, 2), ids);
    EXPECT_EQ(pages(one, 1), ids);
    const auto first = list(one, {}, 1);
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(first[0].char_descr, "npc0");
    EXPECT_EQ(first[0].owner, "One");
}

TEST_P(CatalogNpcs, OfOneMomentAreListedOnce) {
    for (int i = 0; i < 30; ++i)
        create(i % 2 ? one : two);
    home.query("UPDATE npcs SET created = 1000");
    for (const int limit : {1, 7, 30, 100}) {
        Strings ids = pages(std::nullopt, limit);
        EXPECT_EQ(ids.size(), 30U) << limit;
        EXPECT_TRUE(std::ranges::is_sorted(ids));
        EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
    }
}

TEST_P(CatalogNpcs, AreListedByOwner) {
    const auto a = create(one).npc_id;
    const auto b = create(two).npc_id;
    const auto c = create(kAdminId).npc_id;
    EXPECT_EQ(pages(one, 10), Strings{a});
    EXPECT_EQ(pages(two, 10), Strings{b});
    EXPECT_EQ(pages(kAdminId, 10), Strings{c});
    EXPECT_EQ(pages(std::nullopt, 10).size(), 3U);
    EXPECT_EQ(pages(999, 10), Strings{});
}

TEST_P(CatalogNpcs, ACursorMayBeOfOneThatIsGone) {
    const Npc first = create(one);
    const Npc second = create(one);
    home.query("UPDATE npcs SET created = 1000 WHERE npc_id = '" + first.npc_id + "'");
    home.query("UPDATE npcs SET created = 2000 WHERE npc_id = '" + second.npc_id + "'");
    EXPECT_TRUE(remove(first.npc_id));
    const auto rest = list(one, NpcCursor{1000, first.npc_id}, 10);
    ASSERT_EQ(rest.size(), 1U);
    EXPECT_EQ(rest[0].npc_id, second.npc_id);
    EXPECT_TRUE(list(one, NpcCursor{2000, second.npc_id}, 10).empty());
}

TEST_P(CatalogNpcs, ChangeInPart) {
    const auto id = create(one, "smith", "Skyrim", true).npc_id;
    const auto other = create(one, "guard", "Whiterun").npc_id;
    home.query("UPDATE npcs SET created = 1000, updated = 1000");

    auto changed = change(id, {"guard", {}, {}});
    ASSERT_TRUE(changed.has_value());
    EXPECT_EQ(changed->char_descr, "guard");
    EXPECT_EQ(changed->world_descr, "Skyrim");
    EXPECT_TRUE(changed->has_scratchpad);
    EXPECT_EQ(changed->created, 1000);
    EXPECT_GT(changed->updated, 1000);
    EXPECT_EQ(changed->owner, "One");

    changed = change(id, {{}, "Tamriel", {}});
    EXPECT_EQ(changed->char_descr, "guard");
    EXPECT_EQ(changed->world_descr, "Tamriel");
    changed = change(id, {{}, {}, false});
    EXPECT_FALSE(changed->has_scratchpad);
    EXPECT_EQ(changed->world_descr, "Tamriel");
    changed = change(id, {"a", "b", true});
    EXPECT_EQ(changed->char_descr + changed->world_descr, "ab");
    EXPECT_TRUE(changed->has_scratchpad);
    changed = change(id, {});
    EXPECT_EQ(changed->char_descr + changed->world_descr, "ab");
    EXPECT_EQ(find(id)->char_descr, "a");
    EXPECT_EQ(find(other)->char_descr, "guard");
    EXPECT_EQ(find(other)->updated, 1000);
}

TEST_P(CatalogNpcs, AreDeleted) {
    const auto id = create(one).npc_id;
    const auto other = create(one).npc_id;
    EXPECT_TRUE(remove(id));
    EXPECT_FALSE(remove(id));
    EXPECT_EQ(find(id), std::nullopt);
    EXPECT_EQ(pages(one, 10), Strings{other});
}

} // namespace
} // namespace npcchat::testing
