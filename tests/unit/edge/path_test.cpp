#include "common/path.hpp"

#include <gtest/gtest.h>

#include <string>

namespace npcchat {
namespace {

using std::literals::string_view_literals::operator""sv;

TEST(CanonicalPath, TakesOrdinaryPaths) {
    for (std::string_view path :
         {"/", "/chat", "/chat/", "/a/b/c", "/a/b/c/", "/.well-known", "/a..b", "/...", "/a.", "/a%20b",
          "/%C3%A9", "/a!$&'()*+,;=:@b", "/%25", "/%2B", "/\xC3\xA9"}) {
        EXPECT_TRUE(is_canonical_path(path)) << path;
    }
}

TEST(CanonicalPath, RefusesASecondSpelling) {
    for (std::string_view path :
         {"",     "chat", "*",         "//",   "//chat", "/chat//", "/a//b",   "/.",
          "/..",  "/a/.", "/a/..",     "/./a", "/../a",  "/a/./b",  "/a/../b", "/a/./",
          "/%61", "/%2e", "/%2E%2e/a", "/%7E", "/%5f",   "/%2D",    "/%30"}) {
        EXPECT_FALSE(is_canonical_path(path)) << path;
    }
}

TEST(CanonicalPath, RefusesSeparatorsInDisguise) {
    for (std::string_view path :
         {"/a%2Fb"sv, "/a%2fb"sv, "/a%5Cb"sv, "/a%5cb"sv, "/a%00"sv, "/a\0b"sv, "/a#b"sv, "/a?b"sv}) {
        EXPECT_FALSE(is_canonical_path(path)) << path;
    }
}

TEST(CanonicalPath, TakesEncodedSlashesInNamesOfModels) {
    for (std::string_view path : {"/v1/models/npc%2Fx", "/v1/models/npc%2fx/", "/v1/models/a/b%2Fc",
                                  "/v1/models/a%2F", "/v1/models/a%252Fb", "/v1/models/a%2F..b%2F.c"}) {
        EXPECT_TRUE(is_canonical_path(path)) << path;
    }
    for (std::string_view path :
         {"/v1/models/%2F", "/v1/models/%2Fa", "/v1/models/a%2F%2Fb", "/v1/models/a%2F/b",
          "/v1/models/a/%2Fb", "/v1/models/..%2Fx", "/v1/models/a%2F..%2Fb", "/v1/models/a%2F..",
          "/v1/models/a%2F.", "/v1/models/%2E%2E%2Fx", "/v1/models/a%2F..%2F..%2F..%2Fmetrics",
          "/v1/models/a%5Cb", "/v1/models/a%00", "/v1%2Fmodels/a", "/v1/models%2Fa", "/v1/chat%2Fcompletions",
          "/v1/model/a%2Fb", "/V1/models/a%2Fb"}) {
        EXPECT_FALSE(is_canonical_path(path)) << path;
    }
}

TEST(CanonicalPath, RefusesMalformedPercent) {
    for (std::string_view path : {"/%", "/%2", "/%zz", "/%2g", "/%g2", "/%%20", "/a%/b", "/%-1", "/% 1"}) {
        EXPECT_FALSE(is_canonical_path(path)) << path;
    }
}

TEST(PercentDecode, DecodesOnce) {
    std::string text = "/a%2541%20b+c%C3%a9";
    std::size_t size = percent_decode(text, text.data());
    ASSERT_NE(size, malformed_percent);
    EXPECT_EQ(text.substr(0, size), "/a%41 b+c\xC3\xA9");
}

TEST(PercentDecode, SaysWhatIsMalformed) {
    for (std::string text : {"%", "%1", "a%", "%x0", "%0x", "abc%f"}) {
        EXPECT_EQ(percent_decode(text, text.data()), malformed_percent);
    }
    std::string empty;
    EXPECT_EQ(percent_decode(empty, empty.data()), 0U);
}

TEST(PercentDecode, TakesEveryByteInBothCases) {
    constexpr char lower[] = "0123456789abcdef";
    constexpr char upper[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) {
        for (const char* digits : {lower, upper}) {
            std::string text = {'%', digits[byte / 16], digits[byte % 16]};
            ASSERT_EQ(percent_decode(text, text.data()), 1U);
            EXPECT_EQ(static_cast<unsigned char>(text[0]), byte);
        }
    }
}

TEST(TargetPath, EndsAtTheQuery) {
    EXPECT_EQ(target_path("/a/b?c?d"), "/a/b");
    EXPECT_EQ(target_path("/a/b"), "/a/b");
    EXPECT_EQ(target_path("?"), "");
    EXPECT_EQ(target_path(""), "");
}

} // namespace
} // namespace npcchat
