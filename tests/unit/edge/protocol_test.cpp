#include "common/protocol.hpp"

#include <gtest/gtest.h>

#include <string>

namespace npcchat::protocol {
namespace {

TEST(RequestId, TakesOnlyTheAlphabet) {
    for (std::string_view id : {"a", "Z", "0", "a.b_c-D", "...", "550e8400-e29b-41d4-a716-446655440000"}) {
        EXPECT_TRUE(is_request_id(id)) << id;
    }
    for (std::string_view id : {"", " ", "a b", "a\"b", "a/b", "a,b", "\xC3\xA9", "a\n", "{}", "@"}) {
        EXPECT_FALSE(is_request_id(id)) << id;
    }
}

TEST(RequestId, IsBounded) {
    EXPECT_TRUE(is_request_id(std::string(128, 'x')));
    EXPECT_FALSE(is_request_id(std::string(129, 'x')));
}

TEST(Headers, ReservedOnesHaveThePrefix) {
    for (std::string_view name : {secret_header, user_header, role_header, plan_header, address_header,
                                  path_user_header, edge_header, key_header, expires_header, revoke_header}) {
        EXPECT_TRUE(name.starts_with(header_prefix)) << name;
    }
    EXPECT_FALSE(request_id_header.starts_with(header_prefix));
}

} // namespace
} // namespace npcchat::protocol
