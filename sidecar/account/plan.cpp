#include "account/plan.hpp"

#include "base/ids.hpp"
#include "base/number.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr std::int64_t kMostRequests = 1'000'000'000; // as the edge counts
constexpr std::int64_t kMostTokens = 1'000'000'000'000;
constexpr std::int64_t kMostChats = 1'000'000;
constexpr std::size_t kMostModels = 256;
constexpr std::size_t kLongestModel = 256;
constexpr std::size_t kDigest = 16;

struct Number {
    const char* name;
    std::optional<std::int64_t> Plan::* value;
    std::int64_t least;
    std::int64_t most;
};

// 0 would be a user who may do nothing, where one without any limit was probably meant.
constexpr Number kNumbers[] = {
    {"requests_per_minute", &Plan::requests_per_minute, 0, kMostRequests},
    {"burst", &Plan::burst, 0, kMostRequests},
    {"tokens_per_minute", &Plan::tokens_per_minute, 1, kMostTokens},
    {"tokens_per_day", &Plan::tokens_per_day, 1, kMostTokens},
    {"concurrent_chats", &Plan::concurrent_chats, 1, kMostChats},
};

Result<std::vector<std::string>> read_models(const json_t* list) {
    std::vector<std::string> models;
    if (!list || json_is_null(list)) return models;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > kMostModels)
        return fail(
            422, fmt::format("models: must be a list of 1 to {} names, leave it out for all", kMostModels));
    for (std::size_t i = 0; i < json_array_size(list); ++i) {
        const json_t* name = json_array_get(list, i);
        if (!json_is_string(name) || json_string_length(name) == 0 ||
            json_string_length(name) > kLongestModel)
            return fail(422, fmt::format("models[{}]: must be the name of a model", i));
        models.emplace_back(json_string_value(name), json_string_length(name));
        if (std::ranges::find(models, models.back()) != models.end() - 1)
            return fail(422, fmt::format("models[{}]: stands twice", i));
    }
    return models;
}

} // namespace

Result<Plan> read_plan(const json_t* object) {
    const Fields fields(object);
    Plan plan;
    for (const Number& number : kNumbers) {
        const auto value = fields.optional_integer(number.name, number.least, number.most);
        if (!value) return std::unexpected(value.error());
        plan.*number.value = *value;
    }
    auto models = read_models(json_object_get(object, "models"));
    if (!models) return std::unexpected(std::move(models.error()));
    plan.models = std::move(*models);
    return plan;
}

std::string plan_json(const Plan& plan) {
    std::string json;
    const auto add = [&json](const char* name, std::string_view value) {
        json += json.empty() ? "{" : ", ";
        fmt::format_to(std::back_inserter(json), "\"{}\": {}", name, value);
    };
    for (const Number& number : kNumbers) {
        if (plan.*number.value) add(number.name, std::to_string(*(plan.*number.value)));
    }
    std::string models;
    for (const std::string& model : plan.models)
        models.append(models.empty() ? "" : ", ").append(json_string(model));
    if (!models.empty()) add("models", "[" + models + "]");
    return json.empty() ? json : json + "}";
}

// Field by field: one that is malformed must not take the others' limits away.
Plan stored_plan(const std::string& json) {
    Plan plan;
    if (json.empty()) return plan;
    const auto parsed = parse_json_object(json);
    if (!parsed) return plan;
    const Fields fields(parsed->get());
    for (const Number& number : kNumbers)
        plan.*number.value =
            fields.optional_integer(number.name, number.least, number.most).value_or(std::nullopt);
    plan.models = read_models(json_object_get(parsed->get(), "models")).value_or(std::vector<std::string>());
    return plan;
}

std::string edge_plan(const std::string& stored) {
    const Plan plan = stored_plan(stored);
    std::string text;
    const auto add = [&text](std::string_view name, std::string_view value) {
        text.append(text.empty() ? "" : ";").append(name).append("=").append(value);
    };
    const auto add_number = [&add](std::string_view name, std::optional<std::int64_t> value) {
        if (value) add(name, std::to_string(*value));
    };
    add_number("rpm", plan.requests_per_minute);
    add_number("burst", plan.burst);
    add_number("tpm", plan.tokens_per_minute);
    add_number("tpd", plan.tokens_per_day);
    add_number("chats", plan.concurrent_chats);
    if (!plan.models.empty()) add("models", models_digest(plan.models));
    return text;
}

RequestPlan parse_request_plan(std::string_view text) {
    RequestPlan plan;
    while (!text.empty()) {
        const auto end = std::min(text.find(';'), text.size());
        const std::string_view part = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto equals = std::min(part.find('='), part.size());
        const std::string_view name = part.substr(0, equals);
        const std::string_view value = part.substr(std::min(equals + 1, part.size()));
        const std::int64_t number = std::max<std::int64_t>(parse_number<std::int64_t>(value).value_or(0), 0);
        if (name == "tpm") plan.tokens_per_minute = number;
        if (name == "tpd") plan.tokens_per_day = number;
        if (name == "chats") plan.concurrent_chats = number;
        if (name == "models") plan.models_digest = value;
    }
    return plan;
}

std::string models_digest(const std::vector<std::string>& models) {
    std::string joined;
    for (const std::string& model : models)
        joined.append(model).append("\n");
    return sha256_hex(joined).substr(0, kDigest);
}

} // namespace npcchat
