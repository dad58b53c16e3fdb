// Bodies of OpenAI's API: what goes on to a model is JSON again, whatever came.
#include "routes/openai_request.hpp"
#include "base/json.hpp"
#include "fuzz.hpp"

using namespace npcchat;

namespace {

void check_upstream(const CompletionRequest& request) {
    for (bool streamed : {false, true}) {
        const auto sent = parse_json_object(completion_body("a \"model\"", request, streamed));
        fuzz::require(sent.has_value());
        fuzz::require(json_is_true(json_object_get(sent->get(), "stream")) == streamed);
        const json_t* model = json_object_get(sent->get(), "model");
        fuzz::require(std::string_view(json_string_value(model)) == "a \"model\"");
    }
}

bool is_refusal(const Error& error) {
    return (error.status == 400 || error.status == 422) && !error.detail.empty();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Request request;
    request.body = fuzz::text(data, size);
    if (const auto embeddings = read_embeddings_request(request.body))
        fuzz::require(parse_json_object(completion_body("m", embeddings->upstream, false)).has_value());
    else
        fuzz::require(is_refusal(embeddings.error()));

    const auto asked = read_completion_request(request.body);
    if (!asked) {
        fuzz::require(is_refusal(asked.error()));
        return 0;
    }
    check_upstream(asked->upstream);
    const auto npc = read_npc_request(asked->body.get(), request);
    if (!npc) {
        fuzz::require(is_refusal(npc.error()));
        return 0;
    }
    fuzz::require(!npc->message.empty());
    CompletionRequest upstream = completion_request({{"user", npc->message}});
    if (!npc->parameters.empty()) upstream.members.append(",").append(npc->parameters);
    check_upstream(upstream);
    return 0;
}
