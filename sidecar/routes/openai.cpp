// OpenAI's API: models, and relays to them. NPCs behind it are in openai_npc.cpp.
#include "account/names.hpp"
#include "chat/model_call.hpp"
#include "routes/body.hpp"
#include "routes/events.hpp"
#include "routes/openai_npc.hpp"
#include "routes/openai_request.hpp"
#include "routes/routes.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat::routes {
namespace {

constexpr int kMaxListedNpcs = 10'000;
constexpr std::string_view kOperator = "npcchat";

void append_model(std::string& out, std::string_view id, Millis created, std::string_view owner) {
    fmt::format_to(std::back_inserter(out),
                   R"({{"id": {}, "object": "model", "created": {}, "owned_by": {}}})", json_string(id),
                   created / 1000, json_string(owner));
}

std::string npc_model(const Npc& npc) {
    return std::string(kNpcPrefix) + npc.npc_id;
}

// One event with the data of another, which may have several lines.
void put_event(AnswerStream& stream, std::string_view data) {
    while (true) {
        const auto end = std::min(data.find('\n'), data.size());
        stream.put("data: ");
        stream.put(data.substr(0, end));
        stream.put("\n");
        if (end == data.size()) break;
        data.remove_prefix(end + 1);
    }
    stream.put("\n");
}

Task<Result<void>> relay_chunks(ModelStream& model, AnswerStream& client, bool include_usage) {
    for (;;) {
        while (const auto chunk = model.next()) {
            if (include_usage || !chunk->is_usage_alone) put_event(client, chunk->data);
        }
        if (!client.flush()) co_await client.caught_up();
        const auto more = co_await model.more();
        if (!more) co_return std::unexpected(more.error());
        if (!*more) co_return Result<void>();
    }
}

Task<Result<Response>> relay_stream(Services& services, Request& request, Spending& spending,
                                    const Model& model, CompletionRequest asked, bool include_usage) {
    request.stream->announce();
    CountedCall call(services, spending);
    auto stream = co_await services.models.stream(model, asked, request.cancellation);
    if (!stream) {
        call.failed(model.name, stream.error(), used_before_an_answer(stream.error(), asked));
        co_return std::unexpected(std::move(stream.error()));
    }
    call.began();
    asked = CompletionRequest(); // a prompt is large, and a stream lives long
    auto relayed = co_await relay_chunks(*stream, *request.stream, include_usage);
    if (!relayed) {
        call.failed(stream->model(), relayed.error(), stream->usage());
        co_return std::unexpected(std::move(relayed.error()));
    }
    call.succeeded(stream->model(), stream->usage());
    co_return event_response("data: [DONE]\n\n");
}

// The endpoint's answer to a request that is no stream.
using Ask = Task<Result<RawAnswer>> (ModelClient::*)(const Model&, const CompletionRequest&, Cancellation*);

Task<Result<Response>> relay_whole(Services& services, const Request& request, Spending& spending,
                                   const Model& model, const CompletionRequest& asked, Ask ask,
                                   ModelOperation operation) {
    CountedCall call(services, spending, operation);
    auto answer = co_await (services.models.*ask)(model, asked, request.cancellation);
    if (!answer) {
        call.failed(model.name, answer.error(), used_before_an_answer(answer.error(), asked));
        co_return std::unexpected(std::move(answer.error()));
    }
    call.succeeded(answer->model, answer->usage);
    co_return json_response(std::move(answer->body));
}

// Names of the table that the caller may use.
Task<Result<std::vector<std::string>>> models_of(Services& services, const Request& request) {
    const ModelTablePtr table = services.table;
    PlanModels::Names allowed;
    if (const RequestPlan plan = parse_request_plan(request.plan); !plan.models_digest.empty()) {
        auto found = co_await services.shared.plan_models.find(services.catalog, request.identity->id,
                                                               plan.models_digest);
        if (!found) co_return std::unexpected(std::move(found.error()));
        allowed = std::move(*found);
    }
    std::vector<std::string> names;
    for (const Model& model : table->all()) {
        const bool is_allowed =
            !allowed || allowed->empty() || std::ranges::find(*allowed, model.name) != allowed->end();
        if (is_allowed) names.push_back(model.name);
    }
    co_return names;
}

} // namespace

Task<Result<Response>> list_models(Services& services, Request& request) {
    const auto models = co_await models_of(services, request);
    if (!models) co_return std::unexpected(models.error());
    const auto npcs = co_await services.catalog.list_newest_npcs(request.identity->id, kMaxListedNpcs);
    if (!npcs) co_return std::unexpected(npcs.error());
    std::string body = R"({"object": "list", "data": [)";
    for (const std::string& name : *models) {
        append_model(body, name, 0, kOperator);
        body += ", ";
    }
    for (const Npc& npc : *npcs) {
        append_model(body, npc_model(npc), npc.created, npc.owner);
        body += ", ";
    }
    if (body.ends_with(", ")) body.resize(body.size() - 2);
    body += "]}";
    co_return json_response(std::move(body));
}

Task<Result<Response>> get_model(Services& services, Request& request) {
    const std::string& id = request.params.front();
    std::string body;
    if (id.starts_with(kNpcPrefix)) {
        const auto npc =
            co_await services.shared.npcs.find(services.catalog, stored_npc_id(id.substr(kNpcPrefix.size())));
        if (!npc) co_return std::unexpected(npc.error());
        append_model(body, npc_model(**npc), (*npc)->created, (*npc)->owner);
    } else {
        const auto model =
            co_await find_model_for(services, request.identity->id, parse_request_plan(request.plan), id);
        if (!model) co_return std::unexpected(model.error());
        append_model(body, (*model)->name, 0, kOperator);
    }
    co_return json_response(std::move(body));
}

Task<Result<Response>> chat_completions(Services& services, Request& request) {
    auto asked = read_completion_request(request.body);
    if (!asked) co_return std::unexpected(std::move(asked.error()));
    if (!asked->npc_id.empty()) co_return co_await complete_as_npc(services, request, std::move(*asked));
    const RequestPlan plan = parse_request_plan(request.plan);
    const auto model = co_await find_model_for(services, request.identity->id, plan, asked->model);
    if (!model) co_return std::unexpected(model.error());
    asked->body.reset();
    request.body = std::string();
    Spending spending(services, request.identity->id, plan, request.trace);
    co_await spending.begin(asked->upstream.prompt_estimate, asked->bound);
    const auto granted = co_await spending.granted();
    if (!granted) co_return std::unexpected(granted.error());
    Result<Response> answer;
    if (asked->streamed) {
        answer = co_await relay_stream(services, request, spending, **model, std::move(asked->upstream),
                                       asked->include_usage);
    } else {
        answer = co_await relay_whole(services, request, spending, **model, asked->upstream,
                                      &ModelClient::complete_raw, ModelOperation::chat);
    }
    co_await spending.settled();
    co_return answer;
}

Task<Result<Response>> embeddings(Services& services, Request& request) {
    const auto asked = read_embeddings_request(request.body);
    if (!asked) co_return std::unexpected(asked.error());
    const RequestPlan plan = parse_request_plan(request.plan);
    const auto model = co_await find_model_for(services, request.identity->id, plan, asked->model);
    if (!model) co_return std::unexpected(model.error());
    Spending spending(services, request.identity->id, plan, request.trace);
    co_await spending.begin(asked->upstream.prompt_estimate, asked->bound);
    const auto granted = co_await spending.granted();
    if (!granted) co_return std::unexpected(granted.error());
    auto answer = co_await relay_whole(services, request, spending, **model, asked->upstream,
                                       &ModelClient::embed, ModelOperation::embeddings);
    co_await spending.settled();
    co_return answer;
}

} // namespace npcchat::routes
