#include "model/models_file.hpp"

#include "base/json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <set>
#include <sstream>

namespace npcchat {
namespace {

constexpr std::size_t kDefaultContext = 32'768;

// Thrown while the file is read, caught by parse_models: its places are many and nested.
struct Invalid {
    std::string text;
};

[[noreturn]] void reject(const std::string& place, std::string_view what) {
    throw Invalid{fmt::format("{}: {}", place, what)};
}

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

// One object of the file, and which of its fields were read.
class Object {
  public:
    Object(const json_t* value, std::string place) : value_(value), place_(std::move(place)) {
        if (!json_is_object(value_)) reject(place_, "must be an object");
    }

    const json_t* get(const char* name) {
        known_.insert(name);
        return json_object_get(value_, name);
    }

    std::optional<std::string> text(const char* name) {
        const json_t* field = get(name);
        if (!field) return std::nullopt;
        if (!json_is_string(field) || json_string_length(field) == 0) reject(at(name), "must be a text");
        return std::string(json_string_value(field), json_string_length(field));
    }

    std::string required_text(const char* name) {
        auto value = text(name);
        if (!value) reject(at(name), "is missing");
        return *value;
    }

    std::chrono::milliseconds seconds(const char* name, std::chrono::milliseconds otherwise) {
        const json_t* field = get(name);
        if (!field) return otherwise;
        const double value = json_number_value(field);
        if (!json_is_number(field) || value <= 0 || value > 86'400)
            reject(at(name), "must be 0 to 86400 seconds");
        return std::chrono::milliseconds(static_cast<std::int64_t>(value * 1000));
    }

    void no_others() const {
        void* at_field = json_object_iter(const_cast<json_t*>(value_));
        for (; at_field; at_field = json_object_iter_next(const_cast<json_t*>(value_), at_field)) {
            const char* name = json_object_iter_key(at_field);
            if (!known_.contains(name)) reject(at(name), "is not a known field");
        }
    }

    std::string at(const char* name) const { return place_ + "." + name; }

  private:
    const json_t* value_;
    std::string place_;
    std::set<std::string, std::less<>> known_;
};

std::string read_api_key(Object& target, const Environment& environment) {
    const auto variable = target.text("api_key_env");
    const auto file = target.text("api_key_file");
    if (variable && file) reject(target.at("api_key_file"), "stands beside api_key_env, write one of them");
    if (variable) {
        auto key = environment(variable->c_str());
        if (!key) reject(target.at("api_key_env"), "this variable is not set");
        return *key;
    }
    if (!file) return {};
    auto key = read_file(*file);
    if (!key) reject(target.at("api_key_file"), "this file cannot be read");
    key->erase(key->find_last_not_of(" \r\n\t") + 1);
    return *key;
}

ModelTarget read_target(const json_t* value, const std::string& place, const std::string& model_name,
                        const Environment& environment, const HttpTimeouts& defaults) {
    Object object(value, place);
    ModelTarget target;
    target.base_url = object.required_text("base_url");
    if (!target.base_url.starts_with("http://") && !target.base_url.starts_with("https://")) {
        reject(object.at("base_url"), "must begin with http:// or https://");
    }
    while (target.base_url.ends_with('/'))
        target.base_url.pop_back();
    target.upstream_name = object.text("model").value_or(model_name);
    target.api_key = read_api_key(object, environment);
    target.timeouts = defaults;
    if (const json_t* field = object.get("timeouts")) {
        Object timeouts(field, object.at("timeouts"));
        target.timeouts.connect = timeouts.seconds("connect", defaults.connect);
        target.timeouts.first_byte = timeouts.seconds("first_token", defaults.first_byte);
        target.timeouts.whole = timeouts.seconds("whole", defaults.whole);
        timeouts.no_others();
    }
    object.no_others();
    return target;
}

Model read_model(const json_t* value, const std::string& place, const Environment& environment,
                 const HttpTimeouts& defaults) {
    Object object(value, place);
    Model model;
    model.name = object.required_text("name");
    model.context_tokens = kDefaultContext;
    if (const json_t* context = object.get("context")) {
        if (!json_is_integer(context) || json_integer_value(context) < 1024) {
            reject(object.at("context"), "must be a whole number of tokens, 1024 or more");
        }
        model.context_tokens = static_cast<std::size_t>(json_integer_value(context));
    }
    const json_t* targets = object.get("targets");
    if (!json_is_array(targets) || json_array_size(targets) != 1) {
        reject(object.at("targets"), "must be a list of one target");
    }
    model.target =
        read_target(json_array_get(targets, 0), object.at("targets[0]"), model.name, environment, defaults);
    object.no_others();
    return model;
}

std::vector<Model> read_models(const json_t* root, const Environment& environment,
                               const HttpTimeouts& defaults) {
    Object object(root, "$");
    const json_t* list = object.get("models");
    if (!json_is_array(list) || json_array_size(list) == 0) reject("$.models", "must be a list of models");
    std::vector<Model> models;
    for (std::size_t i = 0; i < json_array_size(list); ++i) {
        const std::string place = fmt::format("$.models[{}]", i);
        Model model = read_model(json_array_get(list, i), place, environment, defaults);
        if (std::ranges::find(models, model.name, &Model::name) != models.end())
            reject(place + ".name", "stands twice");
        models.push_back(std::move(model));
    }
    object.no_others();
    return models;
}

} // namespace

std::expected<std::vector<Model>, std::string>
parse_models(std::string_view text, const Environment& environment, const HttpTimeouts& defaults) {
    const auto root = parse_json(text);
    if (!root) return std::unexpected(root.error().detail);
    try {
        return read_models(root->get(), environment, defaults);
    } catch (Invalid& invalid) {
        return std::unexpected(std::move(invalid.text));
    }
}

std::expected<std::vector<Model>, std::string>
read_models_file(const std::string& path, const Environment& environment, const HttpTimeouts& defaults) {
    const auto text = read_file(path);
    if (!text) return std::unexpected(path + " cannot be read");
    return parse_models(*text, environment, defaults);
}

} // namespace npcchat
