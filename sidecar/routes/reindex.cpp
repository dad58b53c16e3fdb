// How far embedding is, and embedding all anew.
#include "knowledge/embedding_job.hpp"
#include "routes/body.hpp"
#include "routes/routes.hpp"

#include <fmt/format.h>

namespace npcchat::routes {
namespace {

struct Standing {
    std::string_view status;
    std::string detail;
};

Standing standing_of(const EmbeddingState::View& view, const EmbeddingCounts& counts) {
    switch (view.phase) {
    case EmbeddingState::Phase::off:
        return {"off", "There is no EMBED_URL: documents are found by their words alone"};
    case EmbeddingState::Phase::unknown:
        return {"waiting", view.trouble};
    case EmbeddingState::Phase::changed:
        return {"changed",
                fmt::format("The vectors are of {} with {} dimensions, the embedder has {} with {}: POST "
                            "/reindex/ to embed all documents anew; until then words alone are used",
                            json_string(view.model.name), view.model.dimensions,
                            json_string(view.offered.name), view.offered.dimensions)};
    case EmbeddingState::Phase::ready:
        break;
    }
    return {counts.waiting > 0 ? "embedding" : "ready", view.trouble};
}

Task<Result<Response>> answer(Services& services) {
    const EmbeddingState::View view = services.shared.embedding.view();
    const auto counts = co_await services.embeddings.counts(view.model.id);
    if (!counts) co_return std::unexpected(counts.error());
    const auto [status, detail] = standing_of(view, *counts);
    const bool has_model = view.model.id != 0;
    co_return json_response(fmt::format(
        R"({{"status": "{}", "detail": {}, "model": {}, "dimensions": {}, "documents": {}, "chunks": {}, )"
        R"("embedded": {}}})",
        status, detail.empty() ? "null" : json_string(detail),
        has_model ? json_string(view.model.name) : "null",
        has_model ? std::to_string(view.model.dimensions) : "null", counts->documents, counts->chunks,
        has_model ? counts->chunks - counts->waiting : 0));
}

} // namespace

Task<Result<Response>> get_reindex(Services& services, Request&) {
    return answer(services);
}

Task<Result<Response>> start_reindex(Services& services, Request&) {
    if (!services.embedder.embeds()) co_return co_await answer(services); // words are never behind
    EmbeddingState::View view;
    view.phase = EmbeddingState::Phase::ready;
    const auto asked = co_await ask_for_model(services.embedder, view);
    if (!asked) co_return std::unexpected(asked.error());
    auto used = co_await services.embeddings.use_model(view.offered.name, view.offered.dimensions);
    if (!used) co_return std::unexpected(std::move(used.error()));
    view.model = std::move(*used);
    // Other processes see it when their job looks for work next.
    services.shared.embedding.set(std::move(view));
    co_return co_await answer(services);
}

} // namespace npcchat::routes
