// The lines of an export: JSON Lines (https://jsonlines.org/), one record each. docs/export-format.md has the
// format; what it says and this reads must agree.
#pragma once

#include "catalog/catalog.hpp"
#include "session/chat_copy.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace npcchat {

inline constexpr std::int64_t kExportVersion = 1;

// The first line.
struct HeaderRecord {
    std::string store; // tells one store from another
    Millis created = 0;
};

struct KeyRecord {
    std::string digest; // SHA-256 of the key, hexadecimal
    Millis created = 0;
    Millis expires = 0; // 0: never
};

struct UserRecord {
    User user; // its id is the exporting store's
    std::string name_key;
    std::string password_hash;
    std::vector<KeyRecord> keys;
};

struct DocumentRecord {
    std::string document_id;
    std::string npc_id; // of an NPC's document
    std::string world;  // of a world's
    UserId owner_id = 0;
    std::string title;
    std::string source;
    std::string metadata; // a JSON object, or empty
    std::string text;
    Millis created = 0;
};

// What import-seed has taken over.
struct SeedRecord {
    std::string source;
    Millis at = 0;
};

struct ChatRecord {
    ChatKey chat;
    ChatPart part;
};

// The last line.
struct EndRecord {
    std::int64_t lines = 0; // of the whole file, this one and the first included
};

// In the order in which they stand in a file.
using Record = std::variant<HeaderRecord, UserRecord, Npc, DocumentRecord, ModelUsage, SeedRecord, ChatRecord,
                            EndRecord>;

// With its line feed.
std::string to_line(const Record& record);

// The error says what is wrong with the line.
std::expected<Record, std::string> parse_record(std::string_view line);

} // namespace npcchat
