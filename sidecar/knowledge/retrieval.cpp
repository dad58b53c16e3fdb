#include "knowledge/retrieval.hpp"

#include "base/log.hpp"
#include "base/utf8.hpp"
#include "knowledge/fusion.hpp"
#include "services.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_map>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

// A chat waits for it: late vectors are as good as none.
constexpr auto kQueryLimit = 1s;
constexpr auto kRerankLimit = 5s;
constexpr std::size_t kMaxQuery = 8192; // bytes; what a model reads of it is less
// In reciprocal rank fusion. Equal, not tuned.
constexpr double kWordsWeight = 1.0;
constexpr double kNearWeight = 1.0;
constexpr int kMostRounds = 4; // of searches that find what is gone

// The question as a vector; nothing where there is no embedder, or it fails: words alone serve then.
Task<std::optional<Vector>> embed_question(Services& services, const std::string& model,
                                           const std::string& question) {
    std::vector<std::string> texts{std::string(query_prefix(model))};
    texts.front().append(question, 0, utf8_floor(question, kMaxQuery));
    const auto embedded = co_await services.embedder.embed(texts, kQueryLimit);
    if (embedded) co_return quantize(embedded->front());
    log(Level::warning, "question not embedded", {{"error", std::string_view(embedded.error().detail)}});
    services.shared.embedding.asked_in_vain();
    co_return std::nullopt;
}

Task<Result<std::vector<Ranked>>> find_nearest(Services& services, ScopeIds scopes,
                                               const EmbeddingState::View& state, const Vector& query,
                                               std::size_t most) {
    if (state.in_database)
        co_return co_await services.embeddings.nearest(state.model.id, scopes, query, most);
    co_return co_await services.shared.vectors.nearest(services.embeddings, state.model, scopes, query, most);
}

// Passages that are near, best first, as far as they are no `known` ones; and the order of all of them.
struct Near {
    std::vector<std::int64_t> ids;
    std::vector<Passage> unknown;
};

// The index finds what was deleted meanwhile, until it is told.
Task<Result<Near>> near_passages(Services& services, ScopeIds scopes, const EmbeddingState::View& state,
                                 const Vector& query, int most, const std::vector<std::int64_t>& known) {
    for (int round = 1;; ++round) {
        const auto found =
            co_await find_nearest(services, scopes, state, query, static_cast<std::size_t>(most));
        Near near;
        if (!found) co_return near;
        std::vector<std::int64_t> unknown;
        for (const Ranked& one : *found) {
            if (one.score < state.unrelated) break;
            near.ids.push_back(one.id);
            if (std::ranges::find(known, one.id) == known.end()) unknown.push_back(one.id);
        }
        auto passages = co_await services.documents.passages(unknown);
        if (!passages) co_return std::unexpected(std::move(passages.error()));
        near.unknown = std::move(*passages);
        if (near.unknown.size() == unknown.size()) co_return near;
        std::erase_if(unknown, [&](std::int64_t id) {
            return std::ranges::find(near.unknown, id, &Passage::chunk_id) != near.unknown.end();
        });
        services.shared.vectors.remove(scopes, unknown);
        if (round == kMostRounds) co_return near;
    }
}

std::vector<std::int64_t> ids_of(const std::vector<Passage>& passages) {
    std::vector<std::int64_t> ids;
    for (const Passage& passage : passages)
        ids.push_back(passage.chunk_id);
    return ids;
}

// In the order of `fused`; what neither list has is gone.
std::vector<Passage> in_order(const std::vector<Ranked>& fused, std::vector<Passage> one,
                              std::vector<Passage> other) {
    std::unordered_map<std::int64_t, Passage*> by_id;
    for (std::vector<Passage>* list : {&one, &other}) {
        for (Passage& passage : *list)
            by_id.emplace(passage.chunk_id, &passage);
    }
    std::vector<Passage> ordered;
    for (const Ranked& ranked : fused) {
        const auto found = by_id.find(ranked.id);
        if (found == by_id.end()) continue;
        ordered.push_back(std::move(*found->second));
        ordered.back().score = ranked.score;
    }
    return ordered;
}

// Nothing, where there are no vectors to compare with.
Task<Result<Near>> find_near(Services& services, ScopeIds scopes, const std::string& question, int most,
                             const std::vector<std::int64_t>& known) {
    EmbeddingState& state = services.shared.embedding;
    if (!services.embedder.embeds() || !state.may_ask()) co_return Near();
    const EmbeddingState::View view = state.view();
    const bool any =
        view.in_database || co_await services.shared.vectors.prepare(services.embeddings, view.model, scopes);
    if (!any) co_return Near();
    const auto query = co_await embed_question(services, view.model.name, question);
    if (!query) co_return Near();
    co_return co_await near_passages(services, scopes, view, *query, most, known);
}

// As it is where the reranker fails.
Task<void> rerank(Services& services, const std::string& question, std::vector<Passage>& passages) {
    for (std::size_t begin = 0; begin < passages.size(); begin += Embedder::kMaxTexts) {
        std::vector<std::string> texts;
        for (std::size_t i = begin; i < std::min(begin + Embedder::kMaxTexts, passages.size()); ++i)
            texts.push_back(passages[i].text);
        const auto scores = co_await services.embedder.rerank(question, texts, kRerankLimit);
        if (!scores) {
            log(Level::warning, "not reranked", {{"error", std::string_view(scores.error().detail)}});
            co_return;
        }
        for (std::size_t i = 0; i < texts.size(); ++i)
            passages[begin + i].score = (*scores)[i];
    }
    std::vector<std::size_t> order(passages.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, [&](std::size_t left, std::size_t right) {
        const double one = passages[left].score;
        const double other = passages[right].score;
        return one != other ? one > other : left < right;
    });
    std::vector<Passage> sorted;
    for (const std::size_t place : order)
        sorted.push_back(std::move(passages[place]));
    passages = std::move(sorted);
}

} // namespace

Task<Result<std::vector<Passage>>> retrieve(Services& services, ScopeIds scopes, const std::string& question,
                                            RetrievalOptions options) {
    auto found =
        co_await services.shared.words.search(services.documents, scopes, question, options.retrieve);
    if (!found) co_return found;
    const std::vector<std::int64_t> by_words = ids_of(*found);
    auto near = co_await find_near(services, scopes, question, options.retrieve, by_words);
    if (!near) co_return std::unexpected(std::move(near.error()));
    if (!near->ids.empty()) {
        const auto fused = fuse(std::array{Ranking{by_words, kWordsWeight}, Ranking{near->ids, kNearWeight}});
        found = in_order(fused, std::move(*found), std::move(near->unknown));
    }
    const auto shorten = [&](int most) {
        if (found->size() > static_cast<std::size_t>(most)) found->resize(static_cast<std::size_t>(most));
    };
    shorten(options.retrieve);
    if (options.rerank && services.embedder.reranks() && found->size() > 1)
        co_await rerank(services, question, *found);
    shorten(options.keep);
    co_return found;
}

} // namespace npcchat
