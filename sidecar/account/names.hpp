// What users may call themselves, their chats and their worlds.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace npcchat {

// 1–64 of `A-Za-z0-9_.@-`, and nothing that looks like a key in any case: `npc_…`, or `token` and digits. The
// error says which rule is broken, for a 422, and does not repeat the name. That `admin` is taken is not
// checked here.
std::expected<void, std::string> check_user_name(std::string_view name);

// For comparing names, and for storing them under an index: ASCII letters in lower case.
std::string fold_name(std::string_view name);

// 8–256 bytes, no NUL. For new passwords only: old ones of any length still log in.
std::expected<void, std::string> check_password(std::string_view password);

// 1–64 of `A-Za-z0-9_-`.
bool is_chat_id(std::string_view id);

// The name of a world, 1–64 of `A-Za-z0-9_.-`, but not dots alone. The error is for a 422.
inline constexpr std::size_t kMaxWorldName = 64;
std::expected<void, std::string> check_world_name(std::string_view name);

// RFC 9562, version 4, hexadecimal digits in either case; stored ids are lower case (fold_name()).
bool is_uuid4(std::string_view id);

// The id that an NPC is stored under, as a client may write it.
std::string stored_npc_id(std::string given);

} // namespace npcchat
