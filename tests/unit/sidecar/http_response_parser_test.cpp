#include "io/http_response_parser.hpp"

#include <gtest/gtest.h>

namespace npcchat {
namespace {

constexpr std::string_view kWhole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
constexpr std::string_view kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                      "3;name=value\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n";

TEST(HttpResponseParser, ReadsAWholeResponse) {
    HttpResponseParser parser;
    std::string body;
    EXPECT_FALSE(parser.begun());
    EXPECT_EQ(parser.status(), 0);
    EXPECT_TRUE(parser.push(kWhole, body));
    EXPECT_TRUE(parser.begun());
    EXPECT_TRUE(parser.ended());
    EXPECT_TRUE(parser.keeps_connection());
    EXPECT_EQ(parser.status(), 200);
    EXPECT_EQ(body, "hello");
}

TEST(HttpResponseParser, ReadsItWhereverItIsCut) {
    for (const std::string_view response : {kWhole, kChunked}) {
        for (std::size_t size = 1; size < response.size(); ++size) {
            HttpResponseParser parser;
            std::string body;
            for (std::size_t at = 0; at < response.size(); at += size) {
                EXPECT_FALSE(parser.ended());
                ASSERT_TRUE(parser.push(response.substr(at, size), body)) << size;
            }
            EXPECT_TRUE(parser.ended()) << size;
            EXPECT_TRUE(parser.keeps_connection());
            EXPECT_EQ(body, "hello");
        }
    }
}

TEST(HttpResponseParser, GivesTheBodyAsItComes) {
    HttpResponseParser parser;
    std::string body;
    EXPECT_TRUE(parser.push(kChunked.substr(0, kChunked.find("el")), body));
    EXPECT_EQ(body, "h");
    EXPECT_FALSE(parser.ended());
    EXPECT_FALSE(parser.push_end());
}

TEST(HttpResponseParser, ABodyWithoutALengthEndsWithTheConnection) {
    HttpResponseParser parser;
    std::string body;
    EXPECT_TRUE(parser.push("HTTP/1.1 200 OK\r\n\r\nhello", body));
    EXPECT_FALSE(parser.ended());
    EXPECT_TRUE(parser.push_end());
    EXPECT_TRUE(parser.ended());
    EXPECT_FALSE(parser.keeps_connection());
    EXPECT_EQ(body, "hello");
}

TEST(HttpResponseParser, AnEndTooEarlyIsNone) {
    for (std::size_t size = 0; size < kWhole.size(); ++size) {
        HttpResponseParser parser;
        std::string body;
        EXPECT_TRUE(parser.push(kWhole.substr(0, size), body));
        EXPECT_FALSE(parser.push_end()) << size;
    }
}

TEST(HttpResponseParser, ConnectionsThatCloseAreNotKept) {
    for (const std::string_view head : {"HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n"}) {
        HttpResponseParser parser;
        std::string body;
        EXPECT_TRUE(parser.push(std::string(head) + "Content-Length: 0\r\n\r\n", body));
        EXPECT_TRUE(parser.ended());
        EXPECT_FALSE(parser.keeps_connection());
    }
}

TEST(HttpResponseParser, InterimResponsesAreLeftOut) {
    HttpResponseParser parser;
    std::string body;
    EXPECT_TRUE(
        parser.push("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", body));
    EXPECT_TRUE(parser.begun());
    EXPECT_FALSE(parser.ended());
    EXPECT_EQ(parser.status(), 0);
    EXPECT_TRUE(parser.push(kWhole, body));
    EXPECT_TRUE(parser.ended());
    EXPECT_EQ(body, "hello");
}

TEST(HttpResponseParser, ReadsRetryAfter) {
    HttpResponseParser parser;
    std::string body;
    EXPECT_FALSE(parser.retry_after());
    EXPECT_TRUE(parser.push("HTTP/1.1 429 Slow\r\nretry-AFTER: 7\r\nContent-Length: 0\r\n\r\n", body));
    EXPECT_EQ(parser.retry_after(), std::chrono::seconds(7));
    EXPECT_EQ(parser.status(), 429);
}

TEST(HttpResponseParser, WhatFollowsTheResponseIsRefused) {
    HttpResponseParser parser;
    std::string body;
    EXPECT_FALSE(parser.push(std::string(kWhole) + "H", body));
    EXPECT_TRUE(parser.ended());
    EXPECT_EQ(body, "hello");
}

TEST(HttpResponseParser, WhatIsNoResponseIsRefused) {
    for (const std::string_view bytes :
         {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 2 OK\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"}) {
        HttpResponseParser parser;
        std::string body;
        EXPECT_FALSE(parser.push(bytes, body)) << bytes;
        EXPECT_FALSE(parser.ended());
    }
}

TEST(HttpResponseParser, HeadersHaveABound) {
    for (const std::string_view begin :
         {"HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x="}) {
        HttpResponseParser parser;
        std::string body;
        EXPECT_TRUE(parser.push(begin, body));
        const std::string more(1000, 'x');
        int pushes = 0;
        while (pushes < 100 && parser.push(more, body))
            ++pushes;
        EXPECT_GT(pushes, 50);
        EXPECT_LT(pushes, 70);
    }
}

} // namespace
} // namespace npcchat
