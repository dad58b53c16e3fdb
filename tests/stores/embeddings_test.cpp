#include "knowledge/embedding_store.hpp"
#include "knowledge/vector_index.hpp"
#include "tests/stores/catalog_fixture.hpp"

#include <algorithm>

namespace npcchat::testing {
namespace {

class Embeddings : public CatalogTest {
  protected:
    void add(const Scope& scope, std::vector<std::string> texts) {
        std::vector<NewDocument> prepared;
        for (std::string& text : texts)
            prepared.push_back(prepare_document("", "", "", std::move(text)));
        ASSERT_TRUE(loop.run(documents.add(scope, std::move(prepared))).value().has_value());
    }
    std::vector<UnembeddedChunk> waiting(int most = 100) {
        return loop.run(store.waiting(model.id, most)).value();
    }
    // Each text gets a vector of its own direction.
    void embed(const std::vector<UnembeddedChunk>& chunks) {
        std::vector<EmbeddedText> texts;
        for (const UnembeddedChunk& chunk : chunks)
            texts.push_back({chunk.digest, encode(direction(count++))});
        ASSERT_TRUE(loop.run(store.store(model.id, std::move(texts), chunks)).has_value());
    }
    static Vector direction(std::size_t number) {
        std::vector<float> values(8, 0.1F);
        values[number % 8] = 1;
        return quantize(values).value();
    }
    std::int64_t id_of(const Scope& scope) { return loop.run(documents.scope_id(scope)).value(); }
    std::vector<std::string> nearest(const Scope& scope, std::size_t number, std::size_t most = 1) {
        const auto found =
            loop.run(index.nearest(store, model, {id_of(scope), 0}, direction(number), most)).value();
        std::vector<std::int64_t> ids;
        for (const Ranked& one : found)
            ids.push_back(one.id);
        std::vector<std::string> texts;
        for (const Passage& passage : loop.run(documents.passages(ids)).value())
            texts.push_back(passage.text);
        return texts;
    }

    UserId owner = sign_up("owner").value();
    DocumentStore documents{node.database(), node.database()};
    EmbeddingStore store{node.database(), node.database()};
    VectorIndex index{{}};
    EmbeddingModel model = loop.run(store.use_model("encoder", 8)).value();
    Scope world = Scope::of_world(owner, "north");
    std::size_t count = 0;
};

INSTANTIATE_TEST_SUITE_P(All, Embeddings, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

TEST_P(Embeddings, TheNewestModelIsInUse) {
    EXPECT_EQ(loop.run(store.current_model()).value()->name, "encoder");
    const EmbeddingModel newer = loop.run(store.use_model("newer", 16)).value();
    EXPECT_GT(newer.id, model.id);
    const auto current = loop.run(store.current_model()).value();
    EXPECT_EQ(current->id, newer.id);
    EXPECT_EQ(current->dimensions, 16);
}

TEST_P(Embeddings, ChunksWaitUntilTheyAreStored) {
    add(world, {"one", "two", "three"});
    EXPECT_EQ(waiting(2).size(), 2U);
    const auto chunks = waiting();
    ASSERT_EQ(chunks.size(), 3U);
    EXPECT_EQ(chunks[0].text, "one");
    embed(chunks);
    EXPECT_TRUE(waiting().empty());
    const auto counts = loop.run(store.counts(model.id)).value();
    EXPECT_EQ(counts.documents, 3);
    EXPECT_EQ(counts.chunks, 3);
    EXPECT_EQ(counts.waiting, 0);
    EXPECT_EQ(loop.run(store.known(model.id, {chunks[0].digest, "unknown"})).value(),
              (std::vector<bool>{true, false}));
}

TEST_P(Embeddings, OneThatIsNotWholeDoesNotWait) {
    add(world, {"one"});
    home.query("UPDATE documents SET state = 0");
    EXPECT_TRUE(waiting().empty());
}

TEST_P(Embeddings, ANewModelHasAllWait) {
    add(world, {"one", "two"});
    embed(waiting());
    model = loop.run(store.use_model("newer", 8)).value();
    EXPECT_EQ(waiting().size(), 2U);
    while (loop.run(store.sweep(model.id)).value())
        continue;
    EXPECT_EQ(home.query("SELECT count(*) FROM vectors"), "0");
    embed(waiting());
    EXPECT_EQ(home.query("SELECT count(*) FROM vectors"), "2");
}

TEST_P(Embeddings, VectorsGoWithTheLastOfTheirText) {
    add(world, {"same"});
    add(Scope::shared(), {"same"});
    embed(waiting());
    EXPECT_EQ(home.query("SELECT count(*) FROM vectors"), "1");
    const auto first = loop.run(documents.list(world, {}, 1)).value();
    const auto second = loop.run(documents.list(Scope::shared(), {}, 1)).value();
    loop.run(documents.remove(world, first[0].document_id)).value();
    while (loop.run(documents.sweep()).value())
        continue;
    EXPECT_EQ(home.query("SELECT count(*) FROM vectors"), "1");
    loop.run(documents.remove(Scope::shared(), second[0].document_id)).value();
    while (loop.run(documents.sweep()).value())
        continue;
    EXPECT_EQ(home.query("SELECT count(*) FROM vectors"), "0");
}

TEST_P(Embeddings, OneHoldsTheLease) {
    EXPECT_TRUE(loop.run(store.take_lease("a", 60'000)).value());
    EXPECT_TRUE(loop.run(store.take_lease("a", 60'000)).value());
    EXPECT_FALSE(loop.run(store.take_lease("b", 60'000)).value());
    home.query("UPDATE embedding_lease SET until = 1");
    EXPECT_TRUE(loop.run(store.take_lease("b", 60'000)).value());
}

TEST_P(Embeddings, TheNearestAreFoundInTheirScope) {
    add(world, {"one", "two", "three"});
    add(Scope::shared(), {"elsewhere"});
    embed(waiting());
    EXPECT_EQ(nearest(world, 0), std::vector<std::string>{"one"});
    EXPECT_EQ(nearest(world, 2), std::vector<std::string>{"three"});
    EXPECT_EQ(nearest(world, 3, 10).size(), 3U);
    EXPECT_EQ(nearest(Scope::shared(), 0), std::vector<std::string>{"elsewhere"});
}

TEST_P(Embeddings, WhatComesLaterIsFoundWithinSeconds) {
    add(world, {"one"});
    embed(waiting());
    EXPECT_EQ(nearest(world, 0), std::vector<std::string>{"one"});
    add(world, {"two"});
    embed(waiting());
    EXPECT_TRUE(loop.run_until([&] { return nearest(world, 1) == std::vector<std::string>{"two"}; }, 5s));
    EXPECT_EQ(nearest(world, 0, 5).size(), 2U);
}

TEST_P(Embeddings, ManyPagesAreReadInTheBackground) {
    constexpr std::size_t kMany = 4500;
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < kMany; ++i)
        texts.push_back("text " + std::to_string(i));
    add(world, std::move(texts));
    for (auto chunks = waiting(500); !chunks.empty(); chunks = waiting(500))
        embed(chunks);
    EXPECT_TRUE(loop.run_until([&] { return nearest(world, 0, 2 * kMany).size() == kMany; }, kPatience));
}

TEST_P(Embeddings, WhatIsGoneIsFoundNoMore) {
    add(world, {"one", "two"});
    embed(waiting());
    const auto found = loop.run(index.nearest(store, model, {id_of(world), 0}, direction(0), 1)).value();
    ASSERT_EQ(found.size(), 1U);
    index.remove({id_of(world), 0}, {found.front().id});
    EXPECT_EQ(nearest(world, 0), std::vector<std::string>{"two"});
}

TEST_P(Embeddings, WhoIsToldReadsNothingBefore) {
    VectorIndex told{{.is_told = true}};
    const auto found = [&] {
        return loop.run(told.nearest(store, model, {id_of(world), 0}, direction(0), 10)).value().size();
    };
    add(world, {"one"});
    embed(waiting());
    EXPECT_EQ(found(), 1U);
    add(world, {"two"});
    embed(waiting());
    EXPECT_EQ(found(), 1U);
    told.changed(id_of(world) + 1);
    EXPECT_EQ(found(), 1U);
    told.changed(id_of(world));
    EXPECT_EQ(found(), 2U);
    add(world, {"three"});
    embed(waiting());
    told.all_changed();
    EXPECT_EQ(found(), 3U);
}

TEST_P(Embeddings, WithoutItsExtensionThereIsNoPgvector) {
    EXPECT_FALSE(loop.run(store.use_pgvector(model)).value());
}

// Debian 12 has no package of it: these run where the machine's PostgreSQL has it from elsewhere.
class Pgvector : public Embeddings {
  protected:
    void SetUp() override {
        if (home.query("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == "0")
            GTEST_SKIP() << "this PostgreSQL has no pgvector";
        home.query("CREATE EXTENSION vector");
    }
    void use() { ASSERT_TRUE(loop.run(store.use_pgvector(model)).value()); }
    void copy(int at_once) {
        for (std::optional<std::int64_t> last = 0; last;)
            last = loop.run(store.copy_to_pgvector(model.id, *last, at_once)).value();
    }
    std::vector<Ranked> found(const Scope& scope, const Vector& query, std::size_t most,
                              const Scope& other = Scope::of_world(0, "none")) {
        return loop.run(store.nearest(model.id, {id_of(scope), id_of(other)}, query, most)).value();
    }
    std::string table() const { return "near_chunks_" + std::to_string(model.id); }
    std::vector<std::string> texts(const std::vector<Ranked>& ranked) {
        std::vector<std::string> texts;
        for (const Ranked& one : ranked) {
            const auto passages = loop.run(documents.passages({one.id})).value();
            texts.push_back(passages.empty() ? "gone" : passages.front().text);
        }
        return texts;
    }
};

INSTANTIATE_TEST_SUITE_P(All, Pgvector, ::testing::Values(Kind::postgresql), kind_name);

TEST_P(Pgvector, WhatWasThereIsCopiedAndWhatComesGoesThereByItself) {
    add(world, {"one", "two", "three"});
    add(Scope::shared(), {"elsewhere"});
    embed(waiting());
    use();
    EXPECT_TRUE(found(world, direction(0), 5).empty());
    copy(2);
    add(world, {"four"});
    embed(waiting());
    EXPECT_EQ(texts(found(world, direction(1), 1)), std::vector<std::string>{"two"});
    EXPECT_EQ(texts(found(world, direction(4), 1)), std::vector<std::string>{"four"});
    EXPECT_EQ(found(world, direction(0), 10).size(), 4U);
    EXPECT_EQ(found(world, direction(0), 10, Scope::shared()).size(), 5U);
    const auto best = found(world, direction(2), 10, Scope::shared());
    EXPECT_NEAR(best.front().score, 1, 1e-6);
    EXPECT_TRUE(std::ranges::is_sorted(best, std::ranges::greater(), &Ranked::score));
}

// Memory takes vectors to be of unit length, which they are but for what a byte rounds.
TEST_P(Pgvector, CosinesAreThoseOfMemory) {
    use();
    add(world, {"one", "two", "three"});
    embed(waiting());
    const auto there = found(world, direction(0), 3);
    const auto here = loop.run(index.nearest(store, model, {id_of(world), 0}, direction(0), 3)).value();
    ASSERT_EQ(there.size(), here.size());
    for (std::size_t i = 0; i < here.size(); ++i)
        EXPECT_NEAR(there[i].score, here[i].score, 0.01);
}

TEST_P(Pgvector, WhatIsDeletedIsNotFound) {
    use();
    add(world, {"one", "two"});
    embed(waiting());
    home.query("UPDATE documents SET state = 2 WHERE document_id = (SELECT document_id FROM chunks "
               "WHERE text = 'one')");
    EXPECT_EQ(texts(found(world, direction(0), 5)), std::vector<std::string>{"two"});
    while (loop.run(documents.sweep()).value())
        continue;
    EXPECT_EQ(home.query("SELECT count(*) FROM " + table()), "1");
}

TEST_P(Pgvector, ANewModelHasATableOfItsOwn) {
    use();
    add(world, {"one", "two"});
    embed(waiting());
    const std::string former = table();
    model = loop.run(store.use_model("newer", 8)).value();
    use();
    EXPECT_EQ(home.query("SELECT to_regclass('" + former + "') IS NULL"), "t");
    EXPECT_TRUE(found(world, direction(0), 5).empty());
    embed(waiting());
    EXPECT_EQ(found(world, direction(0), 5).size(), 2U);
}

TEST_P(Pgvector, WithoutTheExtensionAllGoesOn) {
    use();
    add(world, {"one"});
    embed(waiting());
    home.query("DROP EXTENSION vector CASCADE");
    add(world, {"two"});
    embed(waiting());
    EXPECT_FALSE(loop.run(store.nearest(model.id, {id_of(world), 0}, direction(0), 1)).has_value());
    EXPECT_FALSE(loop.run(store.use_pgvector(model)).value());
    EXPECT_EQ(nearest(world, 1), std::vector<std::string>{"two"});
    home.query("CREATE EXTENSION vector");
    use();
    copy(64);
    EXPECT_EQ(texts(found(world, direction(1), 1)), std::vector<std::string>{"two"});
}

TEST_P(Pgvector, ItFindsASmallScopeAmongManyOthersVectors) {
    use();
    std::vector<std::string> many;
    for (std::size_t i = 0; i < 3000; ++i)
        many.push_back("text " + std::to_string(i));
    add(Scope::shared(), std::move(many));
    add(world, {"small"});
    for (auto chunks = waiting(500); !chunks.empty(); chunks = waiting(500))
        embed(chunks);
    home.query("ANALYZE");
    EXPECT_EQ(texts(found(world, direction(3), 5)), std::vector<std::string>{"small"});
    EXPECT_EQ(found(Scope::shared(), direction(0), 20).size(), 20U);
}

} // namespace
} // namespace npcchat::testing
