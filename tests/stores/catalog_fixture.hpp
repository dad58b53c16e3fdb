// What the tests of Catalog have in common.
#pragma once

#include "base/ids.hpp"
#include "tests/stores/backends.hpp"

namespace npcchat::testing {

class CatalogTest : public ::testing::TestWithParam<Kind> {
  protected:
    std::optional<UserId> sign_up(const std::string& name) { return sign_up(name, "key of " + name); }
    std::optional<UserId> sign_up(const std::string& name, const std::string& key) {
        // As crypt(3) does: no two hashes are the same.
        return loop.run(catalog.create_user(name, "hash " + random_token(8), sha256_hex(key))).value();
    }
    std::optional<KeyOwner> owner_of(const std::string& key) {
        return loop.run(catalog.find_key(sha256_hex(key))).value();
    }
    std::optional<User> named(const std::string& folded_name) {
        return loop.run(catalog.find_user_by_name(sha256_hex(folded_name))).value();
    }
    std::optional<Login> login(const std::string& name) { return loop.run(catalog.find_login(name)).value(); }
    std::vector<std::string> replace_key(UserId id, const std::string& key, Millis grace = 0) {
        return loop.run(catalog.replace_key(id, sha256_hex(key), grace)).value();
    }

    Loop loop; // outlives what runs on it
    Home home{GetParam()};
    Node node{loop, home};
    Catalog& catalog = node.catalog();
};

} // namespace npcchat::testing
