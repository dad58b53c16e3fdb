#include "io/redis_url.hpp"

#include "base/number.hpp"
#include "base/percent.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <ranges>
#include <sys/un.h>

namespace npcchat {
namespace {

struct Form {
    RedisUrl::Kind kind;
    std::string_view scheme;
    std::string_view port; // where none is given
    std::string_view text; // for errors
};

constexpr std::array<Form, 4> kForms = {{
    {RedisUrl::Kind::single, "redis://", "6379", "redis://[user:password@]host[:port][/db]"},
    {RedisUrl::Kind::single, "unix://", "", "unix://[user:password@]/path[?db=NUMBER]"},
    {RedisUrl::Kind::cluster, "redis+cluster://", "6379",
     "redis+cluster://[user:password@]host:port,host:port"},
    {RedisUrl::Kind::sentinel, "redis+sentinel://", "26379",
     "redis+sentinel://[user:password@]host:port,host:port/NAME[/db]"},
}};

// What is wrong, or nothing.
using Fault = std::string_view;

Fault read_credentials(std::string_view credentials, RedisUrl& url) {
    const auto colon = credentials.find(':');
    if (colon == credentials.npos) return "user and password are not divided by ':'";
    auto user = decode_component(credentials.substr(0, colon));
    auto password = decode_component(credentials.substr(colon + 1));
    if (!user || !password) return "user or password are not percent-encoded";
    url.user = std::move(*user);
    url.password = std::move(*password);
    return {};
}

Fault read_database(std::string_view text, RedisUrl& url) {
    const auto number = text.empty() ? std::optional(0) : parse_number<int>(text);
    if (!number || *number < 0) return "the database is not a number";
    if (url.kind == RedisUrl::Kind::cluster && *number != 0) return "a cluster has no database but 0";
    url.database = *number;
    return {};
}

// What stands behind the first '/'.
Fault read_path(std::string_view path, RedisUrl& url) {
    if (url.kind != RedisUrl::Kind::sentinel) return read_database(path, url);
    const auto slash = path.find('/');
    auto name = decode_component(path.substr(0, slash));
    if (!name) return "the master's name is not percent-encoded";
    url.master = std::move(*name);
    return slash == path.npos ? Fault() : read_database(path.substr(slash + 1), url);
}

Fault read_host(std::string_view text, std::string_view default_port, RedisUrl& url) {
    RedisHost host{"", std::string(default_port)};
    if (const auto colon = text.rfind(':'); colon != text.npos && !text.ends_with(']')) {
        host.port = std::string(text.substr(colon + 1));
        text = text.substr(0, colon);
    }
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    host.name = std::string(text);
    if (host.name.empty()) return "a host is missing";
    if (parse_number<std::uint16_t>(host.port).value_or(0) == 0) return "a port is not 1 to 65535";
    url.hosts.push_back(std::move(host));
    return {};
}

// Raw signs are not taken here: a path may have them too.
Fault read_socket(std::string_view text, RedisUrl& url) {
    if (const auto at = text.find("@/"); !text.starts_with('/') && at != text.npos) {
        if (const Fault fault = read_credentials(text.substr(0, at), url); !fault.empty()) return fault;
        text.remove_prefix(at + 1);
    }
    constexpr std::string_view parameter = "?db=";
    if (const auto query = text.find('?'); query != text.npos) {
        if (!text.substr(query).starts_with(parameter)) return "there is no parameter but db";
        const auto database = text.substr(query + parameter.size());
        if (const Fault fault = read_database(database, url); !fault.empty()) return fault;
        text = text.substr(0, query);
    }
    auto path = decode_component(text);
    if (!path) return "the path is not percent-encoded";
    if (!path->starts_with('/') || path->find('\0') != path->npos) return "the path does not begin with '/'";
    if (path->size() >= sizeof(sockaddr_un::sun_path)) return "the path has more than 107 bytes";
    url.hosts.push_back({std::move(*path), ""});
    return {};
}

Fault read(std::string_view text, const Form& form, RedisUrl& url) {
    url.kind = form.kind;
    if (form.port.empty()) return read_socket(text, url);
    if (const auto at = text.rfind('@'); at != text.npos) {
        if (const Fault fault = read_credentials(text.substr(0, at), url); !fault.empty()) return fault;
        text.remove_prefix(at + 1);
    }
    const auto slash = text.find('/');
    if (slash != text.npos) {
        if (const Fault fault = read_path(text.substr(slash + 1), url); !fault.empty()) return fault;
    }
    if (form.kind == RedisUrl::Kind::sentinel && url.master.empty()) return "the master's name is missing";
    const std::string_view hosts = text.substr(0, slash);
    if (form.kind == RedisUrl::Kind::single) {
        if (hosts.find(',') != hosts.npos) return "several hosts are a cluster or Sentinels";
        return read_host(hosts, form.port, url);
    }
    if (hosts.empty()) return "a host is missing";
    for (const auto host : std::views::split(hosts, ',')) {
        if (const Fault fault = read_host(std::string_view(host), form.port, url); !fault.empty())
            return fault;
    }
    return {};
}

} // namespace

std::string to_string(const RedisHost& host) {
    return host.port.empty() ? host.name : fmt::format("{}:{}", host.name, host.port);
}

std::expected<RedisUrl, std::string> parse_redis_url(std::string_view text) {
    const auto form =
        std::ranges::find_if(kForms, [&](const Form& known) { return text.starts_with(known.scheme); });
    if (form == kForms.end()) {
        const Fault fault = text.starts_with("rediss://")
                                ? "TLS to Redis is stunnel's work (docs/operations.md)"
                                : "the scheme is none of ours";
        return std::unexpected(fmt::format("{}: write {}, {}, {} or {}", fault, kForms[0].text,
                                           kForms[1].text, kForms[2].text, kForms[3].text));
    }
    RedisUrl url;
    const Fault fault = read(text.substr(form->scheme.size()), *form, url);
    if (!fault.empty()) return std::unexpected(fmt::format("{}: write {}", fault, form->text));
    return url;
}

} // namespace npcchat
