#include "db/sqlite_lexemes.hpp"

#include <gtest/gtest.h>
#include <string>
#include <string_view>

namespace npcchat::db {
namespace {

class SqliteLexemes : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(sqlite3_open(":memory:", &handle), SQLITE_OK);
        ASSERT_TRUE(register_lexemes(handle));
    }
    void TearDown() override { sqlite3_close(handle); }
    std::string lexemes(std::string_view text) {
        sqlite3_stmt* statement = nullptr;
        sqlite3_prepare_v2(handle, "SELECT lexemes(?1)", -1, &statement, nullptr);
        sqlite3_bind_text64(statement, 1, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
        std::string found = "an error";
        if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
            found = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
        sqlite3_finalize(statement);
        return found;
    }
    sqlite3* handle = nullptr;
};

TEST_F(SqliteLexemes, AreStemmed) {
    EXPECT_EQ(lexemes("Forges, FORGE; forged!"), "'forg':1,2,3");
    EXPECT_EQ(lexemes("J\u00f6rg \u9f8d 7"), "'7':3 'jorg':1 '\u9f8d':2");
}

TEST_F(SqliteLexemes, NothingIsSyntax) {
    EXPECT_EQ(lexemes("'; DROP TABLE chunks; --"), "'chunk':3 'drop':1 'tabl':2");
    EXPECT_EQ(lexemes("\"b\" NEAR(b*) o'neil \\h"), "'b':1,3 'h':6 'near':2 'neil':5 'o':4");
}

TEST_F(SqliteLexemes, CommonWordsAreLeftOut) {
    EXPECT_EQ(lexemes("What does THE sword cost?"), "'cost':5 'sword':4");
    EXPECT_EQ(lexemes("Who are you?"), "");
}

TEST_F(SqliteLexemes, NoWords) {
    EXPECT_EQ(lexemes(""), "");
    EXPECT_EQ(lexemes(" ?!\"' \n"), "");
    EXPECT_EQ(lexemes(std::string(5000, 'x')), "");
}

} // namespace
} // namespace npcchat::db
