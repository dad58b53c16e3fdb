#include "account/passwords.hpp"

#include "base/ids.hpp"

#include <crypt.h>
#include <memory>
#include <openssl/crypto.h>
#include <stdexcept>

namespace npcchat {
namespace {

constexpr std::size_t kMaxQueued = 64;           // two or three seconds of work
constexpr auto kLimit = std::chrono::seconds(8); // what a client waits at most
constexpr const char* kYescrypt = "$y$";
constexpr std::size_t kBcryptBytes = 72; // bcrypt reads no more of a password

std::string crypt_with(const std::string& password, const std::string& setting) {
    const auto data = std::make_unique<crypt_data>();
    const char* hash = crypt_rn(password.c_str(), setting.c_str(), data.get(), sizeof(crypt_data));
    std::string result = hash ? hash : "";
    OPENSSL_cleanse(data.get(), sizeof(crypt_data));
    return result;
}

std::string hash_password(const std::string& password) {
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn(kYescrypt, 0, nullptr, 0, setting, sizeof(setting))) return {};
    return crypt_with(password, setting);
}

bool matches(std::string password, const std::string& hash) {
    if (hash.empty() || password.contains('\0')) return false;
    if (hash.starts_with("$2")) password.resize(std::min(password.size(), kBcryptBytes));
    const std::string computed = crypt_with(password, hash);
    return !computed.empty() && equal_constant_time(computed, hash);
}

} // namespace

Passwords::Passwords() : nobodys_hash_(hash_password(random_token(16))), worker_(kMaxQueued) {
    if (nobodys_hash_.empty()) throw std::runtime_error("crypt(3) has no yescrypt");
}

template <class Job> auto Passwords::run(Job job) -> Task<Result<std::invoke_result_t<Job&>>> {
    const Executor executor = co_await asio::this_coro::executor;
    co_return co_await worker_.run(executor, kLimit, std::move(job));
}

Task<Result<std::string>> Passwords::hash(std::string password) {
    auto hash = co_await run([password = std::move(password)] { return hash_password(password); });
    if (hash && hash->empty()) co_return fail(503, "The password cannot be hashed now, try again", 1);
    co_return hash;
}

Task<Result<bool>> Passwords::verify(std::string password, std::string hash) {
    co_return co_await run(
        [password = std::move(password), hash = std::move(hash)] { return matches(password, hash); });
}

Task<Result<void>> Passwords::verify_nobody(std::string password) {
    const auto done = co_await verify(std::move(password), nobodys_hash_);
    if (!done) co_return std::unexpected(done.error());
    co_return Result<void>();
}

bool Passwords::is_outdated(const std::string& hash) {
    return !hash.starts_with(kYescrypt);
}

} // namespace npcchat
