#include "knowledge/word_index.hpp"
#include "tests/stores/catalog_fixture.hpp"

#include <algorithm>

namespace npcchat::testing {
namespace {

using Strings = std::vector<std::string>;

class Documents : public CatalogTest {
  protected:
    NewDocument prepared(std::string text, std::string title = "") {
        return prepare_document(std::move(title), "a book", "", std::move(text));
    }
    std::optional<std::vector<AddedDocument>> add_all(const Scope& scope, std::vector<NewDocument> all) {
        return loop.run(documents.add(scope, std::move(all))).value();
    }
    AddedDocument add(const Scope& scope, std::string text, std::string title = "") {
        return add_all(scope, {prepared(std::move(text), std::move(title))}).value().front();
    }
    std::int64_t id_of(const Scope& scope) { return loop.run(documents.scope_id(scope)).value(); }
    std::vector<Passage> search(ScopeIds scopes, std::string_view question, int most = 20) {
        words.all_changed();
        return loop.run(words.search(documents, scopes, std::string(question), most)).value();
    }
    Strings found(const Scope& scope, std::string_view question, int most = 20) {
        Strings texts;
        for (Passage& passage : search({id_of(scope), 0}, question, most))
            texts.push_back(std::move(passage.text));
        return texts;
    }
    Npc npc() { return loop.run(catalog.create_npc(owner, "smith", "Skyrim", false)).value(); }
    // Until nothing is left to be taken away.
    int sweep() {
        int steps = 0;
        while (loop.run(documents.sweep()).value())
            ++steps;
        return steps;
    }
    std::string count(const std::string& table) { return home.query("SELECT count(*) FROM " + table); }

    UserId owner = sign_up("owner").value();
    DocumentStore documents{node.database(), node.database()};
    WordIndex words{{.is_told = true}};
    Scope world = Scope::of_world(owner, "north");
};

INSTANTIATE_TEST_SUITE_P(All, Documents, ::testing::Values(Kind::sqlite, Kind::postgresql), kind_name);

TEST_P(Documents, AreFoundByAnyOfTheirWords) {
    add(world, "A steel sword costs thirty gold.");
    add(world, "The stable has three horses.");
    EXPECT_EQ(found(world, "what does a sword cost"), Strings{"A steel sword costs thirty gold."});
    EXPECT_EQ(found(world, "HORSE or dragon?"), Strings{"The stable has three horses."});
    EXPECT_EQ(found(world, "dragons"), Strings{});
    EXPECT_EQ(found(world, ""), Strings{});
    EXPECT_EQ(found(world, "?!"), Strings{});
    EXPECT_EQ(found(world, "sword horse").size(), 2U);
    EXPECT_EQ(found(world, "sword horse", 1).size(), 1U);
}

TEST_P(Documents, APassageSaysWhereItIsFrom) {
    const AddedDocument added = add(world, "# Prices\nA steel sword costs thirty gold.", "The forge");
    EXPECT_EQ(added.chunks, 1);
    const auto passages = search({id_of(world), 0}, "sword");
    ASSERT_EQ(passages.size(), 1U);
    EXPECT_EQ(passages[0].document_id, added.document_id);
    EXPECT_EQ(passages[0].title, "The forge");
    EXPECT_EQ(passages[0].source, "a book");
    EXPECT_EQ(passages[0].heading, "The forge > Prices");
    EXPECT_EQ(passages[0].seq, 0);
    EXPECT_GT(passages[0].score, 0);
    EXPECT_EQ(found(world, "forge").size(), 1U); // by its title too
}

TEST_P(Documents, RareWordsCountForMore) {
    for (int i = 0; i < 30; ++i)
        add(world, "The village has a well and a road, number " + std::to_string(i) + ".");
    add(world, "The village keeps a griffin.");
    EXPECT_EQ(found(world, "village griffin").front(), "The village keeps a griffin.");
    EXPECT_EQ(found(world, "village griffin", 5).size(), 5U);
}

TEST_P(Documents, NothingInAQuestionIsSyntax) {
    add(world, "A sword's price is O'Neil's \\ secret.");
    for (const auto* question :
         {"sword\"", "\"sword", "sword*", "sword AND NOT gold", "sword & !gold", "(sword", "words:sword",
          "sword')--", "sword\\", "NEAR(sword gold)", "'sword':* | '", "o'neil"})
        EXPECT_EQ(found(world, question).size(), 1U) << question;
    EXPECT_EQ(found(world, "s1 scope scope:1").size(), 0U);
}

TEST_P(Documents, OfAnotherScopeAreNotFound) {
    const Scope smith = Scope::of_npc(npc());
    const Scope baker = Scope::of_npc(npc());
    add(smith, "The smith's secret is a griffin.");
    add(baker, "The baker's secret is a cellar.");
    EXPECT_EQ(found(smith, "secret"), Strings{"The smith's secret is a griffin."});
    EXPECT_EQ(found(baker, "secret griffin"), Strings{"The baker's secret is a cellar."});
    EXPECT_EQ(search({id_of(smith), id_of(baker)}, "secret").size(), 2U);
    EXPECT_EQ(id_of(Scope::shared()), 0);
    EXPECT_EQ(id_of(Scope::of_world(owner + 1, "north")), 0);
}

TEST_P(Documents, AnNpcKnowsItsScopes) {
    Npc smith = npc();
    EXPECT_EQ(loop.run(catalog.find_npc(smith.npc_id)).value()->knowledge, ScopeIds{});
    add(Scope::of_npc(smith), "The forge is hot.");
    add(world, "The north is cold.");
    EXPECT_EQ(loop.run(catalog.find_npc(smith.npc_id)).value()->knowledge,
              (ScopeIds{id_of(Scope::of_npc(smith)), 0}));
    const auto changed = loop.run(catalog.change_npc(smith.npc_id, {{}, {}, {}, "north"})).value();
    EXPECT_EQ(changed->world, "north");
    EXPECT_EQ(changed->knowledge, (ScopeIds{id_of(Scope::of_npc(smith)), id_of(world)}));
    EXPECT_EQ(loop.run(catalog.change_npc(smith.npc_id, {{}, {}, {}, ""})).value()->knowledge[1], 0);
}

TEST_P(Documents, TheSameIsAddedOnce) {
    const AddedDocument first = add(world, "A sword costs thirty gold.", "Prices");
    EXPECT_EQ(add(world, "A sword costs thirty gold.", "Prices").document_id, first.document_id);
    EXPECT_NE(add(world, "A sword costs thirty gold.", "Other").document_id, first.document_id);
    EXPECT_EQ(found(world, "sword").size(), 2U);
    const auto both = add_all(world, {prepared("Twins are alike."), prepared("Twins are alike.")}).value();
    EXPECT_EQ(both[0].document_id, both[1].document_id);
    EXPECT_EQ(found(world, "twins").size(), 1U);
    EXPECT_TRUE(loop.run(documents.remove(world, first.document_id)).value());
    EXPECT_NE(add(world, "A sword costs thirty gold.", "Prices").document_id, first.document_id);
}

TEST_P(Documents, LargeOnesAreAddedWhole) {
    std::string text = "# Chronicle\n\n";
    for (int i = 0; text.size() < 400'000; ++i)
        text += "In year " + std::to_string(i) + " the river Nyx froze and griffin" + std::to_string(i) +
                " came. ";
    const AddedDocument added = add(world, text, "Chronicle");
    EXPECT_GT(added.chunks, 300);
    EXPECT_EQ(count("chunks"), std::to_string(added.chunks));
    EXPECT_GE(found(world, "griffin777").size(), 1U); // twice, where two chunks overlap
    EXPECT_GE(found(world, "griffin4000").size(), 1U);
    const auto document = loop.run(documents.find(world, added.document_id)).value();
    ASSERT_TRUE(document.has_value());
    EXPECT_EQ(document->text, text);
    EXPECT_EQ(document->bytes, static_cast<std::int64_t>(text.size()));
    EXPECT_EQ(document->chunks, added.chunks);
}

TEST_P(Documents, OneThatIsNotWholeIsNotFound) {
    const AddedDocument added = add(world, "The half-told tale.");
    home.query("UPDATE documents SET state = 0");
    EXPECT_EQ(found(world, "tale"), Strings{});
    EXPECT_EQ(loop.run(documents.find(world, added.document_id)).value(), std::nullopt);
    EXPECT_EQ(sweep(), 0); // it may still become whole
    EXPECT_EQ(count("chunks"), "1");
    home.query("UPDATE documents SET created = 1000");
    EXPECT_GT(sweep(), 0);
    EXPECT_EQ(count("chunks"), "0");
    EXPECT_EQ(count("documents"), "0");
}

TEST_P(Documents, AreListedPageByPage) {
    Strings ids;
    for (int i = 0; i < 5; ++i)
        ids.push_back(add(world, "Tale " + std::to_string(i)).document_id);
    home.query("UPDATE documents SET created = 1000");
    std::ranges::sort(ids);
    Strings listed;
    DocumentCursor cursor;
    for (;;) {
        const auto page = loop.run(documents.list(world, cursor, 2)).value();
        if (page.empty()) break;
        EXPECT_LE(page.size(), 2U);
        for (const Document& document : page)
            listed.push_back(document.document_id);
        cursor = {page.back().created, page.back().document_id};
    }
    EXPECT_EQ(listed, ids);
    EXPECT_TRUE(loop.run(documents.list(Scope::shared(), {}, 10)).value().empty());
}

TEST_P(Documents, AreDeleted) {
    const AddedDocument tale = add(world, "The griffin's tale.");
    const AddedDocument other = add(world, "The well's tale.");
    EXPECT_FALSE(loop.run(documents.remove(Scope::shared(), tale.document_id)).value());
    EXPECT_TRUE(loop.run(documents.remove(world, tale.document_id)).value());
    EXPECT_FALSE(loop.run(documents.remove(world, tale.document_id)).value());
    EXPECT_EQ(found(world, "tale"), Strings{"The well's tale."});
    EXPECT_GT(sweep(), 0);
    EXPECT_EQ(count("chunks"), "1");
    EXPECT_TRUE(loop.run(documents.remove(world, other.document_id)).value());
    EXPECT_EQ(id_of(world), 0);
    sweep();
    EXPECT_EQ(count("documents"), "0");
    add(world, "A new griffin.");
    EXPECT_EQ(found(world, "griffin").size(), 1U);
}

TEST_P(Documents, GoWithTheirNpc) {
    const Npc smith = npc();
    const Scope scope = Scope::of_npc(smith);
    add(scope, "The smith's griffin.");
    const auto id = id_of(scope);
    EXPECT_TRUE(loop.run(catalog.delete_npc(smith.npc_id)).value());
    EXPECT_EQ(id_of(scope), 0);
    EXPECT_GT(sweep(), 0);
    EXPECT_TRUE(search({id, 0}, "griffin").empty());
    EXPECT_EQ(count("documents"), "0");
    EXPECT_EQ(count("scopes"), "1");
    EXPECT_EQ(add_all(scope, {prepared("Too late.")}), std::nullopt);
}

TEST_P(Documents, GoWithTheirUser) {
    add(world, "The north is cold.");
    add(Scope::of_npc(npc()), "The forge is hot.");
    add(Scope::shared(), "Everybody's tale.");
    EXPECT_TRUE(loop.run(catalog.delete_user(owner)).value().has_value());
    EXPECT_EQ(id_of(world), 0);
    sweep();
    EXPECT_EQ(count("documents"), "1");
    EXPECT_EQ(count("scopes"), "1");
    EXPECT_EQ(found(Scope::shared(), "tale").size(), 1U);
    EXPECT_EQ(add_all(world, {prepared("Too late.")}), std::nullopt);
}

TEST_P(Documents, TwoWhoAddTheSameAtOnceAddItOnce) {
    Node other(loop, home);
    DocumentStore others(other.database(), other.database());
    auto one = loop.start(documents.add(world, {prepared("The one tale.")}));
    auto two = loop.start(others.add(world, {prepared("The one tale.")}));
    const auto first = loop.finish(one).value().value();
    const auto second = loop.finish(two).value().value();
    EXPECT_EQ(first[0].document_id, second[0].document_id);
    EXPECT_EQ(found(world, "tale").size(), 1U);
    EXPECT_EQ(home.query("SELECT documents FROM scopes WHERE name <> 'shared'"), "1");
}

TEST_P(Documents, KeepTheirTexts) {
    std::string text =
        "J\u00f6rg \u9f8d \U0001F600 $1 '; -- \\ \"quoted\" \u2028 <think>\ttab\r\nline\n\u0001";
    const AddedDocument added = add(world, text, "T\u00eftle '\"\\");
    const auto document = loop.run(documents.find(world, added.document_id)).value();
    EXPECT_EQ(document->text, text);
    EXPECT_EQ(document->title, "T\u00eftle '\"\\");
    EXPECT_TRUE(text.contains(found(world, "quoted").front()));
}

} // namespace
} // namespace npcchat::testing
