#include "model/models_file.hpp"

#include "base/json.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <set>
#include <sstream>

namespace npcchat {
namespace {

constexpr std::int64_t kDefaultContext = 32'768;
constexpr std::size_t kMaxModelName = 256; // what a request may name

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

    std::optional<double> number(const char* name, double over, double most) {
        const json_t* field = get(name);
        if (!field) return std::nullopt;
        const double value = json_number_value(field);
        if (!json_is_number(field) || !(value > over && value <= most))
            reject(at(name), fmt::format("must be a number over {}, {} at most", over, most));
        return value;
    }

    std::optional<std::int64_t> integer(const char* name, std::int64_t least, std::int64_t most) {
        const json_t* field = get(name);
        if (!field) return std::nullopt;
        const std::int64_t value = json_integer_value(field);
        if (!json_is_integer(field) || value < least || value > most)
            reject(at(name), fmt::format("must be a whole number from {} to {}", least, most));
        return value;
    }

    std::chrono::milliseconds seconds(const char* name, std::chrono::milliseconds otherwise) {
        const auto value = number(name, 0, 86'400);
        if (!value) return otherwise;
        return std::max(std::chrono::milliseconds(1), std::chrono::milliseconds(std::llround(*value * 1000)));
    }

    const json_t* list(const char* name) {
        const json_t* field = get(name);
        if (field && !json_is_array(field)) reject(at(name), "must be a list");
        return field;
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

// A header's value: what else stands there would end the header and begin another.
std::string checked_key(std::string key, const std::string& place) {
    if (key.empty()) reject(place, "is empty");
    if (!std::ranges::all_of(key, [](unsigned char c) { return c > 0x20 && c < 0x7F; }))
        reject(place, "holds other than printable ASCII characters");
    return key;
}

std::string read_api_key(Object& target, const Environment& environment) {
    const auto variable = target.text("api_key_env");
    const auto file = target.text("api_key_file");
    if (variable && file) reject(target.at("api_key_file"), "stands beside api_key_env, write one of them");
    if (variable) {
        auto key = environment(variable->c_str());
        if (!key) reject(target.at("api_key_env"), "this variable is not set");
        return checked_key(std::move(*key), target.at("api_key_env"));
    }
    if (!file) return {};
    auto key = read_file(*file);
    if (!key) reject(target.at("api_key_file"), "this file cannot be read");
    key->erase(key->find_last_not_of(" \r\n\t") + 1);
    return checked_key(std::move(*key), target.at("api_key_file"));
}

std::string read_base_url(Object& target) {
    std::string url = target.required_text("base_url");
    if (!url.starts_with("http://") && !url.starts_with("https://"))
        reject(target.at("base_url"), "must begin with http:// or https://");
    const std::string_view host_on = std::string_view(url).substr(url.find("//") + 2);
    if (host_on.substr(0, host_on.find('/')).contains('@'))
        reject(target.at("base_url"), "holds a user or password, write a key as api_key_env or api_key_file");
    if (!std::ranges::all_of(url,
                             [](unsigned char c) { return c > 0x20 && c < 0x7F && c != '?' && c != '#'; }))
        reject(target.at("base_url"), "must be a URL without query and fragment");
    while (url.ends_with('/'))
        url.pop_back();
    return url;
}

Wire read_wire(Object& target) {
    const auto name = target.text("wire");
    if (!name || *name == "openai") return Wire::openai;
    if (*name == "anthropic") return Wire::anthropic;
    reject(target.at("wire"), "must be openai or anthropic");
}

HttpTimeouts read_timeouts(Object& target, const HttpTimeouts& defaults) {
    HttpTimeouts times = defaults;
    const json_t* field = target.get("timeouts");
    if (!field) return times;
    Object object(field, target.at("timeouts"));
    times.connect = object.seconds("connect", defaults.connect);
    times.first_byte = object.seconds("first_token", defaults.first_byte);
    times.between_bytes = object.seconds("between_tokens", defaults.between_bytes);
    times.whole = object.seconds("whole", defaults.whole);
    object.no_others();
    return times;
}

ModelTarget read_target(const json_t* value, const std::string& place, const std::string& model_name,
                        const Environment& environment, const HttpTimeouts& defaults) {
    Object object(value, place);
    ModelTarget target;
    target.base_url = read_base_url(object);
    target.upstream_name = object.text("model").value_or(model_name);
    target.api_key = read_api_key(object, environment);
    target.wire = read_wire(object);
    target.timeouts = read_timeouts(object, defaults);
    target.weight = object.number("weight", 0, 1000).value_or(1);
    target.concurrency = static_cast<int>(object.integer("concurrency", 1, 1'000'000).value_or(0));
    object.no_others();
    return target;
}

Price read_price(Object& model) {
    const json_t* field = model.get("price");
    if (!field) return {};
    Object object(field, model.at("price"));
    const auto read = [&object](const char* name) {
        const json_t* price = object.get(name);
        if (!price) reject(object.at(name), "is missing");
        const double value = json_number_value(price);
        if (!json_is_number(price) || value < 0 || value > 1e6)
            reject(object.at(name), "must be a number from 0 to 1000000");
        return value;
    };
    Price price;
    price.input = read("input");
    price.output = read("output");
    object.no_others();
    return price;
}

std::string read_name(Object& model) {
    std::string name = model.required_text("name");
    if (name.size() > kMaxModelName) reject(model.at("name"), fmt::format("is over {} bytes", kMaxModelName));
    // What GET /v1/models calls the NPCs.
    if (name.starts_with("npc/")) reject(model.at("name"), "begins with npc/, which is kept for NPCs");
    return name;
}

std::vector<std::string> read_fallbacks(Object& model) {
    std::vector<std::string> names;
    const json_t* list = model.list("fallbacks");
    for (std::size_t i = 0; list && i < json_array_size(list); ++i) {
        const json_t* name = json_array_get(list, i);
        if (!json_is_string(name)) reject(fmt::format("{}[{}]", model.at("fallbacks"), i), "must be a text");
        names.emplace_back(json_string_value(name), json_string_length(name));
    }
    return names;
}

Model read_model(const json_t* value, const std::string& place, const Environment& environment,
                 const HttpTimeouts& defaults) {
    Object object(value, place);
    Model model;
    model.name = read_name(object);
    model.context_tokens =
        static_cast<std::size_t>(object.integer("context", 1024, 1'000'000'000).value_or(kDefaultContext));
    model.price = read_price(object);
    model.fallback_names = read_fallbacks(object);
    const json_t* targets = object.list("targets");
    if (json_array_size(targets) == 0) reject(object.at("targets"), "must be a list of one target or more");
    for (std::size_t i = 0; i < json_array_size(targets); ++i) {
        model.targets.push_back(read_target(json_array_get(targets, i),
                                            fmt::format("{}[{}]", object.at("targets"), i), model.name,
                                            environment, defaults));
    }
    object.no_others();
    return model;
}

void check_fallbacks(const std::vector<Model>& models) {
    for (std::size_t i = 0; i < models.size(); ++i) {
        const std::vector<std::string>& names = models[i].fallback_names;
        for (std::size_t j = 0; j < names.size(); ++j) {
            const std::string place = fmt::format("$.models[{}].fallbacks[{}]", i, j);
            if (names[j] == models[i].name) reject(place, "is the model itself");
            if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(j), names[j]) !=
                names.begin() + static_cast<std::ptrdiff_t>(j))
                reject(place, "stands twice");
            if (std::ranges::find(models, names[j], &Model::name) == models.end())
                reject(place, "is not the name of a model in this table");
        }
    }
}

std::vector<Model> read_models(const json_t* root, const Environment& environment,
                               const HttpTimeouts& defaults) {
    Object object(root, "$");
    object.get("$schema"); // for editors
    const json_t* list = object.list("models");
    if (json_array_size(list) == 0) reject("$.models", "must be a list of one model or more");
    std::vector<Model> models;
    for (std::size_t i = 0; i < json_array_size(list); ++i) {
        const std::string place = fmt::format("$.models[{}]", i);
        Model model = read_model(json_array_get(list, i), place, environment, defaults);
        if (std::ranges::find(models, model.name, &Model::name) != models.end())
            reject(place + ".name", "stands twice");
        models.push_back(std::move(model));
    }
    object.no_others();
    check_fallbacks(models);
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
