#include "transfer/record.hpp"

#include "account/names.hpp"
#include "account/plan.hpp"
#include "base/json.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <limits>

namespace npcchat {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

// ---- Writing ----

class Writer {
  public:
    explicit Writer(std::string_view type) : line_(fmt::format(R"({{"type":"{}")", type)) {}

    Writer& raw(std::string_view name, std::string_view json) {
        line_.append(",\"").append(name).append("\":").append(json);
        return *this;
    }
    Writer& number(std::string_view name, std::int64_t value) { return raw(name, std::to_string(value)); }
    Writer& text(std::string_view name, std::string_view value) {
        raw(name, "");
        append_json_string(line_, value);
        return *this;
    }
    // Left out where empty.
    Writer& optional(std::string_view name, std::string_view value) {
        return value.empty() ? *this : text(name, value);
    }
    std::string take() { return std::move(line_) + "}\n"; }

  private:
    std::string line_;
};

std::string line_of(const HeaderRecord& header) {
    return Writer("export")
        .number("version", kExportVersion)
        .text("store", header.store)
        .number("created", header.created)
        .take();
}

std::string line_of(const UserRecord& record) {
    std::string keys = "[";
    for (const KeyRecord& key : record.keys) {
        fmt::format_to(std::back_inserter(keys), R"({}{{"digest":"{}","created":{},"expires":{}}})",
                       keys.size() > 1 ? "," : "", key.digest, key.created, key.expires);
    }
    const User& user = record.user;
    return Writer("user")
        .number("id", user.id)
        .text("name", user.name)
        .text("name_key", record.name_key)
        .text("role", "user")
        .text("password_hash", record.password_hash)
        .raw("plan", user.plan.empty() ? "null" : user.plan)
        .number("created", user.created)
        .raw("keys", keys + "]")
        .take();
}

std::string line_of(const Npc& npc) {
    return Writer("npc")
        .text("npc_id", npc.npc_id)
        .number("owner", npc.owner_id)
        .text("char_descr", npc.char_descr)
        .text("world_descr", npc.world_descr)
        .raw("has_scratchpad", npc.has_scratchpad ? "true" : "false")
        .optional("world", npc.world)
        .number("created", npc.created)
        .number("updated", npc.updated)
        .take();
}

std::string line_of(const DocumentRecord& document) {
    Writer writer("document");
    writer.text("document_id", document.document_id)
        .optional("npc_id", document.npc_id)
        .optional("world", document.world)
        .number("owner", document.owner_id)
        .text("title", document.title)
        .text("source", document.source);
    if (!document.metadata.empty()) writer.raw("metadata", document.metadata);
    return writer.number("created", document.created).text("text", document.text).take();
}

std::string line_of(const ModelUsage& usage) {
    return Writer("usage")
        .number("user", usage.user_id)
        .number("day", usage.day)
        .text("model", usage.model)
        .number("requests", usage.requests)
        .number("prompt_tokens", usage.prompt_tokens)
        .number("completion_tokens", usage.completion_tokens)
        .take();
}

std::string line_of(const SeedRecord& seed) {
    return Writer("seed").text("source", seed.source).number("at", seed.at).take();
}

std::string line_of(const ChatRecord& record) {
    const ChatHistory& history = record.part.history;
    Writer writer("chat");
    writer.number("user", record.chat.user_id).text("chat_id", record.chat.chat_id);
    if (history.npc_id) writer.text("npc_id", *history.npc_id);
    writer.optional("memory", history.memory)
        .number("remembered", history.remembered)
        .number("used", history.used)
        .number("count", record.part.count)
        .number("first", record.part.first);
    std::string messages = "[";
    for (const Message& message : history.messages) {
        if (messages.size() > 1) messages += ',';
        messages += R"({"role":)";
        messages += message.speaker == Speaker::user ? R"("user")" : R"("assistant")";
        fmt::format_to(std::back_inserter(messages), R"(,"time":{},"text":)", message.at);
        append_json_string(messages, message.text);
        if (!message.scratchpad.empty()) {
            messages += R"(,"scratchpad":)";
            append_json_string(messages, message.scratchpad);
        }
        messages += '}';
    }
    return writer.raw("messages", messages + "]").take();
}

std::string line_of(const EndRecord& end) {
    return Writer("end").number("lines", end.lines).take();
}

// ---- Reading ----

// The members of one object; keeps the first thing that is wrong.
class Reader {
  public:
    Reader(const json_t* object, std::string& wrong) : object_(object), wrong_(wrong) {}

    const json_t* member(const char* name) const { return json_object_get(object_, name); }

    std::string text(const char* name, bool required = true) const {
        const json_t* value = member(name);
        if (!required && !value) return {};
        if (!json_is_string(value)) return refuse(name, "must be a text");
        return {json_string_value(value), json_string_length(value)};
    }
    std::string filled(const char* name) const {
        std::string value = text(name);
        return value.empty() ? refuse(name, "must not be empty") : value;
    }
    std::int64_t number(const char* name, std::int64_t min = 0) const {
        const json_t* value = member(name);
        if (json_is_integer(value) && json_integer_value(value) >= min) return json_integer_value(value);
        refuse(name, fmt::format("must be a whole number of at least {}", min));
        return min;
    }
    bool flag(const char* name) const {
        const json_t* value = member(name);
        if (!json_is_boolean(value)) refuse(name, "must be true or false");
        return json_is_true(value);
    }
    // Elements of an array, each an object.
    template <class Read> void each(const char* name, Read read) const {
        const json_t* array = member(name);
        if (!json_is_array(array)) refuse(name, "must be an array");
        for (std::size_t i = 0; i < json_array_size(array); ++i)
            read(Reader(json_array_get(array, i), wrong_));
    }
    std::string refuse(const char* name, std::string_view why) const {
        if (wrong_.empty()) wrong_ = fmt::format("{}: {}", name, why);
        return {};
    }

  private:
    const json_t* object_;
    std::string& wrong_;
};

Record read_header(const Reader& in) {
    const std::int64_t version = in.number("version", 1);
    if (version > kExportVersion)
        in.refuse("version", fmt::format("is {}, this npcchat-sidecar reads up to {}: use a newer one",
                                         version, kExportVersion));
    return HeaderRecord{in.text("store"), in.number("created")};
}

Record read_user(const Reader& in) {
    UserRecord record;
    record.user = User{in.number("id", 1), in.filled("name"), "", in.number("created")};
    record.name_key = in.filled("name_key");
    record.password_hash = in.text("password_hash");
    if (in.text("role") != "user") in.refuse("role", "must be user: the admin has no line");
    if (const json_t* given = in.member("plan"); given && !json_is_null(given)) {
        const auto plan = read_plan(given);
        if (!plan) in.refuse("plan", plan.error().detail);
        if (plan) record.user.plan = plan_json(*plan);
    }
    in.each("keys", [&](const Reader& key) {
        record.keys.push_back({key.text("digest"), key.number("created"), key.number("expires")});
        const std::string& digest = record.keys.back().digest;
        const bool is_digest =
            digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == digest.npos;
        if (!is_digest) key.refuse("digest", "must be 64 hexadecimal digits");
    });
    return record;
}

Record read_npc(const Reader& in) {
    Npc npc;
    npc.npc_id = in.filled("npc_id");
    npc.owner_id = in.number("owner");
    npc.char_descr = in.filled("char_descr");
    npc.world_descr = in.filled("world_descr");
    npc.has_scratchpad = in.flag("has_scratchpad");
    npc.created = in.number("created");
    npc.updated = in.number("updated");
    npc.world = in.text("world", false);
    return npc;
}

Record read_document(const Reader& in) {
    DocumentRecord document{in.filled("document_id"),
                            in.text("npc_id", false),
                            in.text("world", false),
                            in.number("owner"),
                            in.text("title"),
                            in.text("source"),
                            "",
                            in.filled("text"),
                            in.number("created")};
    if (const json_t* metadata = in.member("metadata")) {
        if (!json_is_object(metadata)) in.refuse("metadata", "must be an object");
        const std::unique_ptr<char, decltype(&std::free)> text(json_dumps(metadata, JSON_COMPACT), std::free);
        if (text) document.metadata = text.get();
    }
    return document;
}

Record read_usage(const Reader& in) {
    return ModelUsage{in.number("user"),     in.number("day"),           in.text("model"),
                      in.number("requests"), in.number("prompt_tokens"), in.number("completion_tokens")};
}

Message read_message(const Reader& in) {
    Message message;
    const std::string role = in.text("role");
    if (role != "user" && role != "assistant") in.refuse("role", "must be user or assistant");
    message.speaker = role == "user" ? Speaker::user : Speaker::assistant;
    message.text = in.text("text");
    message.scratchpad = in.text("scratchpad", false);
    message.at = in.number("time");
    return message;
}

Record read_chat(const Reader& in) {
    ChatRecord record;
    record.chat = {in.number("user"), in.text("chat_id")};
    if (!is_chat_id(record.chat.chat_id)) in.refuse("chat_id", "must be 1 to 64 of A-Z a-z 0-9 _ -");
    ChatPart& part = record.part;
    part.count = in.number("count");
    part.first = in.number("first", 1);
    ChatHistory& history = part.history;
    if (in.member("npc_id")) history.npc_id = in.text("npc_id");
    history.memory = in.text("memory", false);
    history.remembered = in.number("remembered");
    history.used = in.number("used");
    in.each("messages", [&](const Reader& message) { history.messages.push_back(read_message(message)); });
    const auto here = static_cast<std::int64_t>(history.messages.size());
    if (history.remembered > part.count || part.first > kMax - here || part.first - 1 + here > part.count)
        in.refuse("count", "must be the number of the chat's messages");
    return record;
}

struct Type {
    std::string_view name;
    Record (*read)(const Reader&);
};
constexpr Type kTypes[] = {
    {"export", read_header},
    {"user", read_user},
    {"npc", read_npc},
    {"document", read_document},
    {"usage", read_usage},
    {"seed", [](const Reader& in) -> Record { return SeedRecord{in.filled("source"), in.number("at")}; }},
    {"chat", read_chat},
    {"end", [](const Reader& in) -> Record { return EndRecord{in.number("lines")}; }}};

} // namespace

std::string to_line(const Record& record) {
    return std::visit([](const auto& one) { return line_of(one); }, record);
}

std::expected<Record, std::string> parse_record(std::string_view line) {
    const auto object = parse_json_object(line);
    if (!object) return std::unexpected(object.error().detail);
    std::string wrong;
    const Reader in(object->get(), wrong);
    const std::string name = in.text("type");
    const auto type = std::ranges::find(kTypes, name, &Type::name);
    if (type == std::end(kTypes)) return std::unexpected(fmt::format("type: '{}' is not known", name));
    Record record = type->read(in);
    if (!wrong.empty()) return std::unexpected(std::move(wrong));
    return record;
}

} // namespace npcchat
