#include "model/anthropic_wire.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

std::string_view text_of(const json_t* value) {
    if (!json_is_string(value)) return {};
    return {json_string_value(value), json_string_length(value)};
}

std::string_view text_of(const json_t* object, const char* name) {
    return text_of(json_object_get(object, name));
}

json_t* new_text(std::string_view text) {
    return json_stringn(text.data(), text.size());
}

void set_text(json_t* object, const char* name, std::string_view text) {
    json_object_set_new(object, name, new_text(text));
}

Json new_block(std::string_view type) {
    Json block(json_object());
    set_text(block.get(), "type", type);
    return block;
}

void append(json_t* list, Json value) {
    json_array_append_new(list, value.release());
}

Json text_block(std::string_view text) {
    Json block = new_block("text");
    set_text(block.get(), "text", text);
    return block;
}

// "data:image/png;base64,…", or an address.
Json image_block(std::string_view url) {
    Json source;
    const auto comma = url.find(";base64,");
    if (url.starts_with("data:") && comma != url.npos) {
        source = new_block("base64");
        set_text(source.get(), "media_type", url.substr(5, comma - 5));
        set_text(source.get(), "data", url.substr(comma + 8));
    } else {
        source = new_block("url");
        set_text(source.get(), "url", url);
    }
    Json block = new_block("image");
    json_object_set_new(block.get(), "source", source.release());
    return block;
}

// What a message says, as blocks. Empty texts are left out: the API refuses them.
Result<Json> blocks_of(const json_t* content, const std::string& place) {
    Json blocks(json_array());
    if (json_is_string(content)) {
        if (json_string_length(content) > 0) append(blocks.get(), text_block(text_of(content)));
        return blocks;
    }
    if (content && !json_is_array(content) && !json_is_null(content))
        return fail(422, place + ".content: must be a text or a list of parts");
    for (std::size_t i = 0; i < json_array_size(content); ++i) {
        const json_t* part = json_array_get(content, i);
        const std::string_view type = text_of(part, "type");
        if (type == "text") {
            if (!text_of(part, "text").empty()) append(blocks.get(), text_block(text_of(part, "text")));
        } else if (type == "image_url") {
            append(blocks.get(), image_block(text_of(json_object_get(part, "image_url"), "url")));
        } else {
            return fail(422,
                        fmt::format("{}.content[{}]: this model takes text and image_url only", place, i));
        }
    }
    return blocks;
}

Result<void> add_tool_uses(json_t* blocks, const json_t* calls, const std::string& place) {
    for (std::size_t i = 0; i < json_array_size(calls); ++i) {
        const json_t* call = json_array_get(calls, i);
        const json_t* function = json_object_get(call, "function");
        const std::string_view arguments = text_of(function, "arguments");
        auto input = parse_json_object(arguments.empty() ? "{}" : arguments);
        if (!input) {
            return fail(422, fmt::format("{}.tool_calls[{}].function.arguments: must be an object in JSON",
                                         place, i));
        }
        Json block = new_block("tool_use");
        set_text(block.get(), "id", text_of(call, "id"));
        set_text(block.get(), "name", text_of(function, "name"));
        json_object_set_new(block.get(), "input", input->release());
        append(blocks, std::move(block));
    }
    return {};
}

Json tool_result(const json_t* message, Json content) {
    Json block = new_block("tool_result");
    set_text(block.get(), "tool_use_id", text_of(message, "tool_call_id"));
    json_object_set_new(block.get(), "content", content.release());
    return block;
}

// Turns of the dialogue become messages, the others become the system's text.
class Messages {
  public:
    Result<void> add(const json_t* message, const std::string& place) {
        const std::string_view role = text_of(message, "role");
        auto blocks = blocks_of(json_object_get(message, "content"), place);
        if (!blocks) return std::unexpected(std::move(blocks.error()));
        if (role == "system" || role == "developer") return add_system(blocks->get());
        if (role == "user") return say("user", std::move(*blocks));
        if (role == "assistant") {
            auto added = add_tool_uses(blocks->get(), json_object_get(message, "tool_calls"), place);
            if (!added) return added;
            return say("assistant", std::move(*blocks));
        }
        if (role != "tool") return fail(422, place + ".role: must be system, user, assistant or tool");
        Json results(json_array());
        append(results.get(), tool_result(message, std::move(*blocks)));
        return say("user", std::move(results));
    }

    void give_to(json_t* body) {
        if (!system_.empty()) set_text(body, "system", system_);
        json_object_set_new(body, "messages", list_.release());
    }

  private:
    Result<void> add_system(const json_t* blocks) {
        for (std::size_t i = 0; i < json_array_size(blocks); ++i) {
            if (!system_.empty()) system_ += "\n\n";
            system_ += text_of(json_array_get(blocks, i), "text");
        }
        return {};
    }

    Result<void> say(std::string_view role, Json blocks) {
        if (json_array_size(blocks.get()) == 0) return {};
        Json message(json_object());
        set_text(message.get(), "role", role);
        json_object_set_new(message.get(), "content", blocks.release());
        append(list_.get(), std::move(message));
        return {};
    }

    std::string system_;
    Json list_{json_array()};
};

Result<void> check(const json_t* members) {
    if (const json_t* n = json_object_get(members, "n"); json_is_integer(n) && json_integer_value(n) > 1)
        return fail(422, "n: this model gives one answer at a time");
    const std::string_view format = text_of(json_object_get(members, "response_format"), "type");
    if (!format.empty() && format != "text")
        return fail(422, "response_format: this model cannot be held to one, leave it out");
    return {};
}

void set_limit(json_t* body, const json_t* members, std::int64_t max_tokens) {
    for (const char* name : {"max_tokens", "max_completion_tokens"}) {
        const json_t* value = json_object_get(members, name);
        if (json_is_integer(value)) max_tokens = json_integer_value(value);
    }
    json_object_set_new(body, "max_tokens", json_integer(max_tokens));
}

void set_sampling(json_t* body, const json_t* members) {
    const json_t* temperature = json_object_get(members, "temperature");
    if (json_is_number(temperature)) { // OpenAI's goes up to 2, this one to 1
        json_object_set_new(body, "temperature", json_real(std::min(json_number_value(temperature), 1.0)));
    }
    json_t* top_p = json_object_get(members, "top_p");
    if (json_is_number(top_p)) json_object_set(body, "top_p", top_p);
    json_t* stop = json_object_get(members, "stop");
    if (json_is_string(stop))
        json_object_set_new(body, "stop_sequences", json_pack("[O]", stop));
    else if (json_is_array(stop))
        json_object_set(body, "stop_sequences", stop);
    if (const std::string_view user = text_of(members, "user"); !user.empty()) {
        Json metadata(json_object());
        set_text(metadata.get(), "user_id", user);
        json_object_set_new(body, "metadata", metadata.release());
    }
}

Json tool_of(const json_t* function) {
    Json tool(json_object());
    set_text(tool.get(), "name", text_of(function, "name"));
    if (const std::string_view description = text_of(function, "description"); !description.empty())
        set_text(tool.get(), "description", description);
    json_t* schema = json_object_get(function, "parameters");
    if (json_is_object(schema))
        json_object_set(tool.get(), "input_schema", schema);
    else
        json_object_set_new(tool.get(), "input_schema", new_block("object").release());
    return tool;
}

void set_tool_choice(json_t* body, const json_t* members) {
    const json_t* wanted = json_object_get(members, "tool_choice");
    const std::string_view word = text_of(wanted);
    Json choice = new_block(word == "required" ? "any" : word == "none" ? "none" : "auto");
    if (json_is_object(wanted)) {
        set_text(choice.get(), "type", "tool");
        set_text(choice.get(), "name", text_of(json_object_get(wanted, "function"), "name"));
    }
    if (json_is_false(json_object_get(members, "parallel_tool_calls")) && word != "none")
        json_object_set_new(choice.get(), "disable_parallel_tool_use", json_true());
    json_object_set_new(body, "tool_choice", choice.release());
}

void set_tools(json_t* body, const json_t* members) {
    const json_t* tools = json_object_get(members, "tools");
    if (json_array_size(tools) == 0) return;
    Json list(json_array());
    for (std::size_t i = 0; i < json_array_size(tools); ++i)
        append(list.get(), tool_of(json_object_get(json_array_get(tools, i), "function")));
    json_object_set_new(body, "tools", list.release());
    set_tool_choice(body, members);
}

} // namespace

Result<std::string> anthropic_request(std::string_view upstream_name, std::string_view members, bool streamed,
                                      std::int64_t max_tokens) {
    const auto parsed = parse_json_object(fmt::format("{{{}}}", members));
    if (!parsed) return std::unexpected(parsed.error());
    const json_t* root = parsed->get();
    if (auto checked = check(root); !checked) return std::unexpected(std::move(checked.error()));
    Messages messages;
    const json_t* list = json_object_get(root, "messages");
    for (std::size_t i = 0; i < json_array_size(list); ++i) {
        auto added = messages.add(json_array_get(list, i), fmt::format("messages[{}]", i));
        if (!added) return std::unexpected(std::move(added.error()));
    }
    const Json body(json_object());
    set_text(body.get(), "model", upstream_name);
    set_limit(body.get(), root, max_tokens);
    set_sampling(body.get(), root);
    set_tools(body.get(), root);
    if (streamed) json_object_set_new(body.get(), "stream", json_true());
    messages.give_to(body.get());
    const std::unique_ptr<char, decltype(&free)> text(json_dumps(body.get(), JSON_COMPACT), free);
    return std::string(text.get());
}

} // namespace npcchat
