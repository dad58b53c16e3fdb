#include "chat/npc_cache.hpp"

#include "tests/stores/loop.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <string>

namespace npcchat {
namespace {

// Answers the one question that a cache asks: for an NPC by its id, with the columns that Catalog selects.
class FakeDatabase final : public db::Database {
  public:
    db::Dialect dialect() const override { return db::Dialect::sqlite; }
    Task<Result<std::vector<db::Rows>>> run(std::vector<db::Statement> batch) override {
        ++reads;
        const std::string npc_id = std::get<std::string>(batch.front().params.front());
        db::Rows rows;
        if (const auto found = descriptions.find(npc_id); found != descriptions.end()) {
            rows.push_back(
                {npc_id, "7", "owner", found->second, "world", "1", "10", "20", "north", "3", "0"});
        }
        if (meanwhile) meanwhile();
        if (is_down) co_return store_unavailable();
        co_return std::vector<db::Rows>{std::move(rows)};
    }

    std::map<std::string, std::string> descriptions;
    std::function<void()> meanwhile; // what happens after the rows were read, before they arrive
    bool is_down = false;
    int reads = 0;
};

class NpcCacheTest : public ::testing::Test {
  protected:
    Result<std::shared_ptr<const Npc>> find(const std::string& npc_id) {
        return loop.run(cache.find(catalog, npc_id));
    }

    testing::Loop loop;
    FakeDatabase database;
    Catalog catalog{database};
    NpcCache cache{10'000};
};

TEST_F(NpcCacheTest, ReadsAnNpcOnce) {
    database.descriptions["a"] = "smith";
    const auto first = find("a");
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ((*first)->npc_id, "a");
    EXPECT_EQ((*first)->owner_id, 7);
    EXPECT_EQ((*first)->owner, "owner");
    EXPECT_EQ((*first)->char_descr, "smith");
    EXPECT_EQ((*first)->world_descr, "world");
    EXPECT_TRUE((*first)->has_scratchpad);
    EXPECT_EQ((*first)->created, 10);
    EXPECT_EQ((*first)->updated, 20);
    EXPECT_EQ((*first)->world, "north");
    EXPECT_EQ((*first)->knowledge, (std::array<std::int64_t, 2>{3, 0}));
    EXPECT_EQ(find("a").value(), *first);
    EXPECT_EQ(database.reads, 1);
}

TEST_F(NpcCacheTest, DoesNotKeepWhatIsNotThere) {
    EXPECT_EQ(find("a").error().status, 404);
    database.descriptions["a"] = "smith";
    EXPECT_TRUE(find("a").has_value());
    EXPECT_EQ(database.reads, 2);
}

TEST_F(NpcCacheTest, DoesNotKeepFailures) {
    database.descriptions["a"] = "smith";
    database.is_down = true;
    EXPECT_EQ(find("a").error().status, 503);
    database.is_down = false;
    EXPECT_TRUE(find("a").has_value());
    database.is_down = true;
    EXPECT_TRUE(find("a").has_value()); // without asking
    EXPECT_EQ(database.reads, 2);
}

TEST_F(NpcCacheTest, ForgetsWhatChanged) {
    database.descriptions["a"] = "smith";
    const auto before = find("a").value();
    database.descriptions["a"] = "guard";
    cache.forget("a");
    EXPECT_EQ(find("a").value()->char_descr, "guard");
    EXPECT_EQ(before->char_descr, "smith"); // who has it goes on with it
    EXPECT_EQ(database.reads, 2);
    cache.forget("unknown");
    EXPECT_TRUE(find("a").has_value());
    EXPECT_EQ(database.reads, 2);
}

TEST_F(NpcCacheTest, DoesNotKeepWhatChangedWhileItWasRead) {
    database.descriptions["a"] = "smith";
    database.meanwhile = [this] {
        database.meanwhile = nullptr;
        database.descriptions["a"] = "guard";
        cache.forget("a");
    };
    EXPECT_EQ(find("a").value()->char_descr, "smith");
    EXPECT_EQ(find("a").value()->char_descr, "guard");
    EXPECT_EQ(database.reads, 2);
}

TEST_F(NpcCacheTest, IsBoundedInBytes) {
    const std::vector<std::string> ids = {"a", "b", "c", "d", "e"};
    for (const auto& id : ids)
        database.descriptions[id] = std::string(2'000, 'x'); // three or four of them fit
    for (const auto& id : ids)
        EXPECT_TRUE(find(id).has_value());
    EXPECT_EQ(database.reads, 5);
    EXPECT_TRUE(find("e").has_value());
    EXPECT_TRUE(find("d").has_value());
    EXPECT_EQ(database.reads, 5);
    EXPECT_TRUE(find("a").has_value());
    EXPECT_EQ(database.reads, 6);
}

TEST_F(NpcCacheTest, DropsTheLeastRecentlyUsed) {
    for (const auto* id : {"a", "b", "c", "d"})
        database.descriptions[id] = std::string(3'000, 'x'); // two of them fit
    EXPECT_TRUE(find("a").has_value());
    EXPECT_TRUE(find("b").has_value());
    EXPECT_TRUE(find("a").has_value());
    EXPECT_TRUE(find("c").has_value()); // in b's place
    EXPECT_EQ(database.reads, 3);
    EXPECT_TRUE(find("a").has_value());
    EXPECT_EQ(database.reads, 3);
    EXPECT_TRUE(find("b").has_value());
    EXPECT_EQ(database.reads, 4);
}

TEST_F(NpcCacheTest, KeepsOneThatIsLargerThanAll) {
    database.descriptions["a"] = std::string(100'000, 'x');
    database.descriptions["b"] = "small";
    EXPECT_TRUE(find("a").has_value());
    EXPECT_TRUE(find("a").has_value());
    EXPECT_EQ(database.reads, 1);
    EXPECT_TRUE(find("b").has_value());
    EXPECT_TRUE(find("b").has_value());
    EXPECT_EQ(database.reads, 2);
    EXPECT_TRUE(find("a").has_value());
    EXPECT_EQ(database.reads, 3);
}

} // namespace
} // namespace npcchat
