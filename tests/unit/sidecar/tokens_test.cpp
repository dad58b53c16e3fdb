#include "chat/tokens.hpp"

#include "base/utf8.hpp"

#include <gtest/gtest.h>
#include <limits>
#include <string>

namespace npcchat {
namespace {

TEST(Tokens, CountsQuartersRoundedUp) {
    EXPECT_EQ(estimate_tokens(""), 0U);
    EXPECT_EQ(estimate_tokens("a"), 1U);
    EXPECT_EQ(estimate_tokens("abcd"), 1U);
    EXPECT_EQ(estimate_tokens("abcde"), 2U);
    EXPECT_EQ(estimate_tokens("é"), 1U);
    EXPECT_EQ(estimate_tokens("龍龍"), 3U);
    EXPECT_EQ(estimate_tokens("ab龍"), 2U);
    EXPECT_EQ(estimate_tokens(std::string(4000, 'x')), 1000U);
}

TEST(Tokens, PrefixIsTheLongestThatFits) {
    const std::string text = "ab龍c\U0001F409defgh é ij";
    for (std::size_t tokens = 0; tokens < 12; ++tokens) {
        const std::size_t size = bytes_within(text, tokens);
        EXPECT_EQ(utf8_floor(text, size), size);
        EXPECT_LE(estimate_tokens(text.substr(0, size)), tokens);
        if (size == text.size()) continue;
        std::size_t next = size + 1;
        while (utf8_floor(text, next) != next)
            ++next;
        EXPECT_GT(estimate_tokens(text.substr(0, next)), tokens);
    }
    EXPECT_EQ(bytes_within(text, std::numeric_limits<std::size_t>::max()), text.size());
}

} // namespace
} // namespace npcchat
