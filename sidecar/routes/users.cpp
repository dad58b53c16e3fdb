// Accounts: signing up, a new key for a password, who am I.
#include "account/names.hpp"
#include "base/ids.hpp"
#include "base/number.hpp"
#include "common/protocol.hpp"
#include "http/edge.hpp"
#include "routes/body.hpp"
#include "routes/routes.hpp"

#include <fmt/format.h>

namespace npcchat::routes {
namespace {

constexpr std::size_t kMaxNameBytes = 1024; // what is looked at; the rules for new names are narrower
constexpr std::size_t kMaxPasswordBytes = 4096;
constexpr std::int64_t kMaxGrace = 86'400; // seconds
constexpr Millis kAttemptWindow = 15 * 60'000;
constexpr std::int64_t kMaxAttempts = 10;
constexpr std::size_t kLongestHashed = 511; // crypt(3) fails beyond

struct Credentials {
    std::string username;
    std::string password;
    std::int64_t grace_seconds = 0;
};

// From a form it is a text, from JSON a number.
Result<std::int64_t> grace_of(const json_t* body) {
    constexpr const char* kName = "grace_seconds";
    const json_t* value = json_object_get(body, kName);
    if (!json_is_string(value)) {
        return map(Fields(body).optional_integer(kName, 0, kMaxGrace),
                   [](auto grace) { return grace.value_or(0); });
    }
    const auto seconds = parse_number<std::int64_t>({json_string_value(value), json_string_length(value)});
    if (!seconds || *seconds < 0 || *seconds > kMaxGrace) {
        return fail(422, fmt::format("{}: must be a whole number, 0 to {}", kName, kMaxGrace));
    }
    return *seconds;
}

Result<Credentials> read_credentials(const Request& request) {
    const auto body = json_or_form_body(request);
    if (!body) return std::unexpected(body.error());
    const Fields fields(body->get());
    auto username = fields.text("username", 1, kMaxNameBytes);
    if (!username) return std::unexpected(std::move(username.error()));
    auto password = fields.text("password", 1, kMaxPasswordBytes);
    if (!password) return std::unexpected(std::move(password.error()));
    const auto grace = grace_of(body->get());
    if (!grace) return std::unexpected(grace.error());
    return Credentials{std::move(*username), std::move(*password), *grace};
}

Result<void> check_signup(const Services& services, const Request& request, const Credentials& credentials) {
    if (!services.config.open_signup) {
        if (!request.identity) return fail(401, "Only the admin makes users here: send the admin's key");
        if (!request.identity->is_admin) return fail(403, "Only the admin makes users here");
    }
    if (auto name = check_user_name(credentials.username); !name) return fail(422, std::move(name.error()));
    if (auto password = check_password(credentials.password); !password) {
        return fail(422, std::move(password.error()));
    }
    if (fold_name(credentials.username) == kAdminName) return fail(400, "Username already taken");
    return {};
}

std::unexpected<Error> wrong_password() {
    return fail(401, "Wrong username or password");
}

// The user whose password it is; every way to fail takes the same time.
Task<Result<Login>> log_in(Services& services, const Credentials& credentials) {
    auto login = co_await services.catalog.find_login(credentials.username);
    if (!login) co_return std::unexpected(std::move(login.error()));
    Passwords& passwords = services.shared.passwords;
    if (!*login || (*login)->password_hash.empty()) {
        auto spent = co_await passwords.verify_nobody(credentials.password);
        if (!spent) co_return std::unexpected(std::move(spent.error()));
        co_return wrong_password();
    }
    auto right = co_await passwords.verify(credentials.password, (*login)->password_hash);
    if (!right) co_return std::unexpected(std::move(right.error()));
    if (!*right) co_return wrong_password();
    co_return std::move(**login);
}

// A hash of the seed's system becomes one of ours. Failing to do so can wait for the next login.
Task<void> renew_hash(Services& services, const Login& login, const std::string& password) {
    if (!Passwords::is_outdated(login.password_hash) || password.size() > kLongestHashed) co_return;
    auto hash = co_await services.shared.passwords.hash(password);
    if (hash) co_await services.catalog.set_password_hash(login.id, std::move(*hash));
}

Task<Result<void>> count_attempt(Services& services, const std::string& name_key) {
    const auto attempts = co_await services.catalog.count_login_attempt(name_key, kAttemptWindow);
    if (!attempts) co_return std::unexpected(attempts.error());
    if (attempts->count <= kMaxAttempts) co_return Result<void>();
    const int wait = static_cast<int>((attempts->window_left + 999) / 1000);
    co_return fail(429, "Too many failed logins for this name, try again later", wait);
}

} // namespace

Task<Result<Response>> signup(Services& services, Request& request) {
    auto credentials = read_credentials(request);
    if (!credentials) co_return std::unexpected(std::move(credentials.error()));
    if (auto allowed = check_signup(services, request, *credentials); !allowed) {
        co_return std::unexpected(std::move(allowed.error()));
    }
    auto hash = co_await services.shared.passwords.hash(std::move(credentials->password));
    if (!hash) co_return std::unexpected(std::move(hash.error()));
    const std::string key = new_api_key();
    auto user =
        co_await services.catalog.create_user(credentials->username, std::move(*hash), sha256_hex(key));
    if (!user) co_return std::unexpected(std::move(user.error()));
    if (!*user) co_return fail(400, "Username already taken");
    co_return json_response(
        fmt::format(R"({{"message": "User created successfully.", "api_key": {}}})", json_string(key)));
}

Task<Result<Response>> api_key(Services& services, Request& request) {
    const auto credentials = read_credentials(request);
    if (!credentials) co_return std::unexpected(credentials.error());
    const std::string name_key = fold_name(credentials->username);
    auto counted = co_await count_attempt(services, name_key);
    if (!counted) co_return std::unexpected(std::move(counted.error()));
    const auto login = co_await log_in(services, *credentials);
    if (!login) co_return std::unexpected(login.error());
    co_await services.catalog.forget_login_attempts(name_key);
    co_await renew_hash(services, *login, credentials->password);

    const std::string key = new_api_key();
    auto ended =
        co_await services.catalog.replace_key(login->id, sha256_hex(key), credentials->grace_seconds * 1000);
    if (!ended) co_return std::unexpected(std::move(ended.error()));
    Response response = json_response(fmt::format(R"({{"api_key": {}}})", json_string(key)));
    const bool at_once = credentials->grace_seconds == 0;
    tell_edge(response, at_once ? protocol::revoke_header : protocol::forget_header, *ended);
    co_return response;
}

Task<Result<Response>> verify_token(Services&, Request& request) {
    const Identity& identity = *request.identity;
    co_return json_response(fmt::format(R"({{"username": {}, "role": "{}"}})", json_string(identity.name),
                                        identity.is_admin ? protocol::role_admin : protocol::role_user));
}

} // namespace npcchat::routes
