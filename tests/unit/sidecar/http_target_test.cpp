#include "io/http_target.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

TEST(HttpTarget, TakesAUrlApart) {
    const auto target = HttpTarget::parse("https://Models.Example/v1/chat/completions?a=b#c");
    ASSERT_TRUE(target);
    EXPECT_TRUE(target->is_tls());
    EXPECT_EQ(target->origin(), "https://Models.Example:443");
    EXPECT_EQ(target->head(false),
              "POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: Models.Example\r\nAccept: */*\r\n");
    EXPECT_EQ(target->head(true),
              "GET /v1/chat/completions?a=b HTTP/1.1\r\nHost: Models.Example\r\nAccept: */*\r\n");
}

TEST(HttpTarget, NamesAPortThatIsNotTheSchemes) {
    EXPECT_EQ(HttpTarget::parse("http://[::1]:8080")->head(true),
              "GET / HTTP/1.1\r\nHost: [::1]:8080\r\nAccept: */*\r\n");
    EXPECT_EQ(HttpTarget::parse("http://x:80/")->head(true), "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n");
    EXPECT_EQ(HttpTarget::parse("http://x:80/")->origin(), HttpTarget::parse("x/y")->origin());
    EXPECT_NE(HttpTarget::parse("https://x:80/")->origin(), HttpTarget::parse("http://x:80/")->origin());
}

TEST(HttpTarget, SendsTheUrlsUserAndPassword) {
    EXPECT_EQ(HttpTarget::parse("http://a:b%40@x/")->head(true),
              "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nAuthorization: Basic YTpiQA==\r\n");
}

TEST(HttpTarget, RefusesWhatIsNoUrlOfHttp) {
    for (const char* url :
         {"", "ftp://x/", "http://", "http://x:99999/", "http://x/a b", "http://x/a\r\nB: c"})
        EXPECT_FALSE(HttpTarget::parse(url)) << url;
}

} // namespace
} // namespace npcchat
