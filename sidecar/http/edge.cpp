#include "http/edge.hpp"

#include "base/percent.hpp"
#include "common/protocol.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr std::size_t kUsualLogValue = 128;

} // namespace

std::optional<Identity> parse_identity(std::string_view user, std::string_view role) {
    Identity identity;
    const char* end = user.data() + user.size();
    const auto [stopped, error] = std::from_chars(user.data(), end, identity.id);
    if (error != std::errc() || stopped == end || *stopped != ':') return std::nullopt;
    auto name = decode_component(std::string_view(stopped + 1, end));
    if (!name) return std::nullopt;
    identity.name = std::move(*name);
    identity.is_admin = role == protocol::role_admin;
    return identity;
}

std::string identity_value(const User& user) {
    return fmt::format("{}:{}", user.id, encode_name(user.name));
}

void tell_edge(Response& response, std::string_view header, const std::vector<std::string>& key_digests) {
    if (!key_digests.empty())
        response.headers.emplace_back(header, fmt::format("{}", fmt::join(key_digests, ",")));
}

std::string log_value(const LogFields& fields) {
    std::string text;
    text.reserve(kUsualLogValue);
    const auto is_plain = [](char c) { return c >= 0x21 && c <= 0x7E && c != '%' && c != ';'; };
    const auto add = [&](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        if (!text.empty()) text += ';';
        text.append(name).append("=");
        while (!value.empty()) {
            const auto special = std::ranges::find_if_not(value, is_plain);
            text.append(value.begin(), special);
            value.remove_prefix(static_cast<std::size_t>(special - value.begin()));
            if (value.empty()) break;
            fmt::format_to(std::back_inserter(text), "%{:02X}", static_cast<unsigned char>(value.front()));
            value.remove_prefix(1);
        }
    };
    add(protocol::log_npc, fields.npc);
    add(protocol::log_chat, fields.chat);
    add(protocol::log_model, fields.model);
    if (fields.tokens_in >= 0) add(protocol::log_tokens_in, std::to_string(fields.tokens_in));
    if (fields.tokens_out >= 0) add(protocol::log_tokens_out, std::to_string(fields.tokens_out));
    return text;
}

std::string log_header_line(std::string_view value) {
    return value.empty() ? std::string() : fmt::format("{}: {}\r\n", protocol::log_header, value);
}

std::optional<EdgeCounts> parse_edge_counts(std::string_view text) {
    EdgeCounts counts;
    bool has_total = false;
    while (!text.empty()) {
        const auto end = std::min(text.find(';'), text.size());
        const std::string_view field = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto equals = field.find('=');
        if (equals == field.npos) return std::nullopt;
        std::int64_t value = 0;
        std::from_chars(field.data() + equals + 1, field.data() + field.size(), value);
        const std::string_view name = field.substr(0, equals);
        if (name == "total") {
            counts.total = value;
            has_total = true;
        } else if (name.size() == 3 && name[0] >= '1' && name[0] <= '5') {
            counts.by_class[name[0] - '0'] = value;
        }
    }
    if (!has_total) return std::nullopt;
    return counts;
}

} // namespace npcchat
