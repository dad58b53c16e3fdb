#include "account/passwords.hpp"

#include "tests/stores/loop.hpp"

#include <gtest/gtest.h>
#include <string>

namespace npcchat {
namespace {

using namespace std::string_literals;

// Made by crypt(3) with bcrypt's least cost.
const std::string kBcrypt = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"; // correct horse
const std::string kBcryptOf72 = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"; // 72 times a
const std::string kBcryptUtf8 = "$2b$04$abcdefghijklmnopqrstuuyx2n0Zzopyr9QuYTMCfOJJOj526QVoC";

class PasswordsTest : public ::testing::Test {
  protected:
    std::string hash(std::string password) { return loop.run(passwords.hash(std::move(password))).value(); }
    bool verify(std::string password, std::string hash) {
        return loop.run(passwords.verify(std::move(password), std::move(hash))).value();
    }

    testing::Loop loop;
    Passwords passwords;
};

TEST_F(PasswordsTest, AreHashedWithYescrypt) {
    const std::string first = hash("correct horse");
    EXPECT_TRUE(first.starts_with("$y$")) << first;
    EXPECT_NE(first, hash("correct horse"));
    EXPECT_TRUE(verify("correct horse", first));
    for (const auto& other : {"correct horsf"s, "correct hors"s, "correct horse "s, "Correct horse"s, ""s})
        EXPECT_FALSE(verify(other, first)) << other;
}

TEST_F(PasswordsTest, MayBeLong) {
    const std::string password(256, 'p');
    const std::string hashed = hash(password);
    EXPECT_TRUE(verify(password, hashed));
    EXPECT_FALSE(verify(std::string(255, 'p'), hashed));
    EXPECT_FALSE(verify(std::string(255, 'p') + "q", hashed));
    EXPECT_FALSE(verify(std::string(100'000, 'p'), hashed));
    const std::string utf8 = "p\u00e4ssw\u00f6rd\U0001F600";
    EXPECT_TRUE(verify(utf8, hash(utf8)));
}

TEST_F(PasswordsTest, OfTheSeedVerify) {
    EXPECT_TRUE(verify("correct horse", kBcrypt));
    EXPECT_FALSE(verify("correct horsf", kBcrypt));
    EXPECT_TRUE(verify("p\u00e4ssw\u00f6rd", kBcryptUtf8));
}

TEST_F(PasswordsTest, OfTheSeedAreReadTo72Bytes) {
    for (const std::size_t length : {72U, 73U, 100U, 255U, 256U, 600U, 100'000U})
        EXPECT_TRUE(verify(std::string(length, 'a'), kBcryptOf72)) << length;
    EXPECT_FALSE(verify(std::string(71, 'a'), kBcryptOf72));
}

TEST_F(PasswordsTest, WithNulNeverVerify) {
    EXPECT_FALSE(verify("correct horse\0"s, kBcrypt));
    EXPECT_FALSE(verify("correct horse\0x"s, hash("correct horse")));
    EXPECT_FALSE(verify(std::string(72, 'a') + "\0"s, kBcryptOf72));
}

TEST_F(PasswordsTest, NothingOpensWhatIsNoHash) {
    for (const auto& stored :
         {""s, "!"s, "*"s, "*0"s, "*1"s, "!q3nBw4HGpW1"s, "$y$"s, "$2b$"s, "$2b$04$short"s, "\0"s}) {
        for (const auto& password : {""s, "correct horse"s, stored})
            EXPECT_FALSE(verify(password, stored)) << stored << " opened by " << password;
    }
}

TEST_F(PasswordsTest, OldHashesAreOutdated) {
    EXPECT_TRUE(Passwords::is_outdated(kBcrypt));
    EXPECT_TRUE(Passwords::is_outdated(""));
    EXPECT_FALSE(Passwords::is_outdated(hash("correct horse")));
}

TEST_F(PasswordsTest, NobodysIsCheckedToo) {
    EXPECT_TRUE(loop.run(passwords.verify_nobody("correct horse")).has_value());
    EXPECT_TRUE(loop.run(passwords.verify_nobody("")).has_value());
}

TEST_F(PasswordsTest, TooManyAtOnceAreRefused) {
    std::vector<testing::Outcome<Result<std::string>>> outcomes;
    for (int i = 0; i < 200; ++i)
        outcomes.push_back(loop.start(passwords.hash("correct horse")));
    int refused = 0;
    for (const auto& outcome : outcomes) {
        const auto hashed = loop.finish(outcome);
        if (hashed) continue;
        EXPECT_EQ(hashed.error().status, 503);
        EXPECT_GT(hashed.error().retry_after, 0);
        ++refused;
    }
    EXPECT_GT(refused, 0);
    EXPECT_LT(refused, 200);
}

} // namespace
} // namespace npcchat
