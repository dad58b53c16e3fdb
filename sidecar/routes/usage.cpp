// What the caller has used, by day and model.
#include "account/plan.hpp"
#include "base/number.hpp"
#include "routes/body.hpp"
#include "routes/routes.hpp"

#include <fmt/format.h>

namespace npcchat::routes {
namespace {

constexpr std::int64_t kDefaultDays = 30;
constexpr std::int64_t kMostDays = 366;
constexpr Millis kDay = 86'400'000;

struct Days { // since 1970-01-01, both included
    std::int64_t first = 0;
    std::int64_t last = 0;
};

std::string date_text(std::int64_t day) {
    return rfc3339(day * kDay).substr(0, sizeof("2026-01-31") - 1);
}

std::optional<std::int64_t> parse_date(std::string_view text) {
    if (text.size() != sizeof("2026-01-31") - 1 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = parse_number<int>(text.substr(0, 4));
    const auto month = parse_number<unsigned>(text.substr(5, 2));
    const auto day = parse_number<unsigned>(text.substr(8, 2));
    if (!year || !month || !day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                           std::chrono::day(*day)};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days(date).time_since_epoch().count();
}

Result<std::int64_t> date_field(const Request& request, std::string_view name, std::int64_t otherwise) {
    const auto text = query_field(request, name);
    if (!text) return std::unexpected(text.error());
    if (!*text || (*text)->empty()) return otherwise;
    const auto day = parse_date(**text);
    if (!day) return fail(422, fmt::format("{}: must be a date of UTC, such as 2026-01-31", name));
    return *day;
}

Result<Days> read_days(const Request& request) {
    const auto last = date_field(request, "to", now_ms() / kDay);
    if (!last) return std::unexpected(last.error());
    const auto first = date_field(request, "from", *last - kDefaultDays + 1);
    if (!first) return std::unexpected(first.error());
    if (*first > *last) return fail(422, "from: must not be after to");
    if (*last - *first >= kMostDays)
        return fail(422, fmt::format("from: must be within {} days before to", kMostDays));
    return Days{*first, *last};
}

struct Sum {
    std::int64_t requests = 0;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    double cost = 0;

    void add(const ModelUsage& usage, const Model* model) {
        requests += usage.requests;
        prompt_tokens += usage.prompt_tokens;
        completion_tokens += usage.completion_tokens;
        if (!model) return; // no longer in the table: nobody knows its price
        cost += (static_cast<double>(usage.prompt_tokens) * model->price.input +
                 static_cast<double>(usage.completion_tokens) * model->price.output) /
                1e6;
    }
    std::string members() const {
        return fmt::format(R"("requests": {}, "prompt_tokens": {}, "completion_tokens": {}, "cost": {:.6f})",
                           requests, prompt_tokens, completion_tokens, cost);
    }
};

// The rows are sorted by day.
std::string usage_json(const ModelTable& table, const std::vector<ModelUsage>& rows, Sum& total) {
    std::string days;
    for (std::size_t i = 0; i < rows.size();) {
        const std::int64_t day = rows[i].day;
        Sum of_day;
        std::string models;
        for (; i < rows.size() && rows[i].day == day; ++i) {
            const Model* model = table.find(rows[i].model);
            Sum one;
            one.add(rows[i], model);
            of_day.add(rows[i], model);
            total.add(rows[i], model);
            if (!models.empty()) models += ", ";
            models += fmt::format(R"({{"model": {}, {}}})", json_string(rows[i].model), one.members());
        }
        if (!days.empty()) days += ", ";
        days +=
            fmt::format(R"({{"day": "{}", {}, "models": [{}]}})", date_text(day), of_day.members(), models);
    }
    return days;
}

} // namespace

Task<Result<Response>> usage(Services& services, Request& request) {
    const auto days = read_days(request);
    if (!days) co_return std::unexpected(days.error());
    const UserId user_id = request.identity->id;
    // What this sidecar knows is in the answer; what others have added in the last second may not be yet.
    co_await services.shared.usage.flush(services.catalog);
    const auto user = co_await services.catalog.find_user(user_id);
    if (!user) co_return std::unexpected(user.error());
    const auto rows = co_await services.catalog.usage_of(user_id, days->first, days->last);
    if (!rows) co_return std::unexpected(rows.error());
    Sum total;
    const std::string by_day = usage_json(*services.table, *rows, total);
    const std::string plan = *user ? plan_json(stored_plan((*user)->plan)) : "";
    co_return json_response(fmt::format(
        R"({{"username": {}, "plan": {}, "from": "{}", "to": "{}", "total": {{{}}}, "days": [{}]}})",
        json_string(request.identity->name), plan.empty() ? "{}" : plan, date_text(days->first),
        date_text(days->last), total.members(), by_day));
}

} // namespace npcchat::routes
