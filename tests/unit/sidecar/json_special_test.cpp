#include "base/json_special.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

bool must_be_special(int byte) {
    return byte < 0x20 || byte == '"' || byte == '\\';
}

TEST(JsonSpecial, EveryByteInEveryPlace) {
    for (std::size_t size = 1; size <= 25; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string text(size, 'x');
                text[at] = static_cast<char>(byte);
                EXPECT_EQ(find_json_special(text, 0), must_be_special(byte) ? at : size)
                    << byte << " at " << at;
            }
        }
    }
}

// Neighbours must not be taken for one another: the first counts, whatever follows it or stands before it.
TEST(JsonSpecial, TheFirstOfTwo) {
    for (int first = 0; first < 256; ++first) {
        for (int second = 0; second < 256; ++second) {
            std::string text(16, '~');
            text[3] = static_cast<char>(first);
            text[4] = static_cast<char>(second);
            const std::size_t found = must_be_special(first) ? 3 : must_be_special(second) ? 4 : text.size();
            EXPECT_EQ(find_json_special(text, 0), found) << first << ", " << second;
        }
    }
}

TEST(JsonSpecial, LooksFromThePlaceOn) {
    const std::string text = "\"0123456789\"abc";
    EXPECT_EQ(find_json_special(text, 0), 0U);
    EXPECT_EQ(find_json_special(text, 1), 11U);
    EXPECT_EQ(find_json_special(text, 12), text.size());
    EXPECT_EQ(find_json_special(text, text.size()), text.size());
    EXPECT_EQ(find_json_special("", 0), 0U);
}

} // namespace
} // namespace npcchat
