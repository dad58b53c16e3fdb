// What the edge (the nginx module) and the sidecar must agree on: header names, values and their limits.
#pragma once

#include <cstddef>
#include <string_view>

namespace npcchat::protocol {

/// Every header whose name begins so (in any case) belongs to the edge and the sidecar: the edge removes it
/// from what a client sends and from what a client gets.
inline constexpr std::string_view header_prefix = "X-Npcchat-";

// Edge to sidecar. All but the secret count only beside the right secret.
inline constexpr std::string_view secret_header = "X-Npcchat-Secret";
/// `<id>:<name>`: a decimal int64 (the admin: 0) and the name, percent-encoded but for `A-Za-z0-9_.@-`.
inline constexpr std::string_view user_header = "X-Npcchat-User";
inline constexpr std::string_view role_header = "X-Npcchat-Role";
/// Fields joined by `;`, or empty. The edge enforces `rps`, `rpm`, `rph`, `rpd` (`=<n>`: requests a second,
/// minute, hour and day; 0: no limit), `burst` and `conc`, and passes over all others.
inline constexpr std::string_view plan_header = "X-Npcchat-Plan";
inline constexpr std::string_view address_header = "X-Npcchat-Address";
/// `<hex> <hex>`: SHA-256 of the user segment of a history path as it was sent, and of the same in ASCII
/// lower case.
inline constexpr std::string_view path_user_header = "X-Npcchat-Path-User";
/// `total=N;2xx=N;3xx=N;4xx=N;5xx=N` since the edge's start.
inline constexpr std::string_view edge_header = "X-Npcchat-Edge";
inline constexpr std::string_view request_id_header = "X-Request-Id";

// A key lookup: `GET /key` with the secret and the key's SHA-256 in hex; 204 known, 404 unknown.
inline constexpr std::string_view key_path = "/key";
inline constexpr std::string_view key_header = "X-Npcchat-Key";
/// In the answer: whole seconds, rounded up, that the key still lives; absent: no end is known.
inline constexpr std::string_view expires_header = "X-Npcchat-Expires";

/// Sidecar to edge, in any answer: SHA-256 in hex, joined by `,`, of keys that end now.
inline constexpr std::string_view revoke_header = "X-Npcchat-Revoke";
/// The same for keys whose end was set: the edge asks anew before it believes them again.
inline constexpr std::string_view forget_header = "X-Npcchat-Forget";

/// Sidecar to edge, in any answer: what only the sidecar knows of the request, for the edge's log:
/// `<name>=<value>` joined by `;`, the value percent-encoded but for 0x21 to 0x7E without `%` and `;`.
inline constexpr std::string_view log_header = "X-Npcchat-Log";
inline constexpr std::string_view log_npc = "npc";
inline constexpr std::string_view log_chat = "chat";
inline constexpr std::string_view log_model = "model";
inline constexpr std::string_view log_tokens_in = "in";
inline constexpr std::string_view log_tokens_out = "out";

inline constexpr std::string_view role_user = "user";
inline constexpr std::string_view role_admin = "admin";

/// Bytes of a key, each 0x21 to 0x7E.
inline constexpr std::size_t key_max = 256;
/// Bytes of a user's name, percent-encoded.
inline constexpr std::size_t name_max = 768;
/// Bytes of a plan, each 0x21 to 0x7E.
inline constexpr std::size_t plan_max = 256;
/// Characters of a request id.
inline constexpr std::size_t request_id_max = 128;

/// Takes the place of the user segment of a history path, so that a key there is neither logged nor passed
/// on.
inline constexpr std::string_view masked_segment = "-";

/// Whether a client's request id is taken over: 1 to 128 of `A-Za-z0-9._-`.
constexpr bool is_request_id(std::string_view text) noexcept {
    if (text.empty() || text.size() > request_id_max) return false;
    for (char c : text) {
        bool alnum = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && c != '.' && c != '_' && c != '-') return false;
    }
    return true;
}

} // namespace npcchat::protocol
