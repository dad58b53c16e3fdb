#include "db/postgres_listener.hpp"

#include "knowledge/embedding_store.hpp"
#include "tests/stores/catalog_fixture.hpp"

namespace npcchat::testing {
namespace {

class Listener : public CatalogTest {
  protected:
    Listener() {
        loop.start(listen());
        EXPECT_TRUE(loop.run_until([this] { return connected == 1; }, kPatience));
    }
    Task<int> listen() {
        co_await listener.run([this] { ++connected; },
                              [this](std::string_view said) { heard.emplace_back(said); });
        co_return 0;
    }
    bool hears(std::size_t count) {
        return loop.run_until([this, count] { return heard.size() >= count; }, kPatience);
    }

    Worker connector{4};
    int connected = 0;
    std::vector<std::string> heard;
    db::PostgresListener listener{loop.executor(), home.postgres_url(), connector,
                                  EmbeddingStore::kChangesChannel};
};

INSTANTIATE_TEST_SUITE_P(All, Listener, ::testing::Values(Kind::postgresql), kind_name);

TEST_P(Listener, HearsOfWhatIsEmbedded) {
    DocumentStore documents{node.database(), node.database()};
    EmbeddingStore store{node.database(), node.database()};
    std::vector<NewDocument> prepared;
    prepared.push_back(prepare_document("", "", "", "one"));
    ASSERT_TRUE(loop.run(documents.add(Scope::shared(), std::move(prepared))).value());
    const auto model = loop.run(store.use_model("encoder", 8)).value();
    const auto chunks = loop.run(store.waiting(model.id, 10)).value();
    ASSERT_TRUE(loop.run(store.store(model.id, {}, chunks)));
    const auto scope_id = loop.run(documents.scope_id(Scope::shared())).value();
    ASSERT_TRUE(hears(2)); // it can be found by its words, then by its vector
    for (const std::string& said : heard)
        EXPECT_EQ(said, std::to_string(scope_id));
}

TEST_P(Listener, ConnectsAnewAndSaysSo) {
    home.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
               "WHERE datname = current_database() AND query LIKE 'LISTEN%'");
    ASSERT_TRUE(loop.run_until([this] { return connected == 2; }, kPatience));
    home.query("SELECT pg_notify('npcchat_vectors', '7')");
    ASSERT_TRUE(hears(1));
    EXPECT_EQ(heard.front(), "7");
}

} // namespace
} // namespace npcchat::testing
