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

// The nearest chunks, best first; none where there is no embedder, or it fails: words alone serve then.
Task<std::vector<std::int64_t>> nearest_chunks(Services& services, ScopeIds scopes,
                                               const std::string& question, int most) {
    std::vector<std::int64_t> ids;
    EmbeddingState& state = services.shared.embedding;
    if (!services.embedder.embeds() || !state.may_ask()) co_return ids;
    const EmbeddingModel model = state.view().model;
    VectorIndex& index = services.shared.vectors;
    const bool any = co_await index.prepare(services.embeddings, model, scopes);
    if (!any) co_return ids;
    const std::vector<std::string> texts{question.substr(0, utf8_floor(question, kMaxQuery))};
    const auto embedded = co_await services.embedder.embed(texts, kQueryLimit);
    if (!embedded) {
        log(Level::warning, "question not embedded", {{"error", std::string_view(embedded.error().detail)}});
        state.asked_in_vain();
        co_return ids;
    }
    auto query = quantize(embedded->front());
    if (!query) co_return ids;
    const auto found = co_await index.nearest(services.embeddings, model, scopes, std::move(*query),
                                              static_cast<std::size_t>(most));
    if (!found) co_return ids;
    for (const Ranked& one : *found)
        ids.push_back(one.id);
    co_return ids;
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

Task<Result<std::vector<Passage>>> fused_with(Services& services, ScopeIds scopes, std::vector<Passage> words,
                                              std::vector<std::int64_t> near) {
    const std::vector<std::int64_t> by_words = ids_of(words);
    const auto fused = fuse(std::array{Ranking{by_words, kWordsWeight}, Ranking{near, kNearWeight}});
    std::vector<std::int64_t> missing = near;
    std::erase_if(missing,
                  [&](std::int64_t id) { return std::ranges::find(by_words, id) != by_words.end(); });
    auto others = co_await services.embeddings.passages(missing);
    if (!others) co_return std::unexpected(std::move(others.error()));
    if (others->size() < missing.size() / 2) {
        for (const std::int64_t scope_id : scopes)
            services.shared.vectors.forget(scope_id);
    }
    co_return in_order(fused, std::move(words), std::move(*others));
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
    auto found = co_await services.documents.search_words(scopes, question, options.retrieve);
    if (!found) co_return found;
    auto near = co_await nearest_chunks(services, scopes, question, options.retrieve);
    if (!near.empty()) {
        found = co_await fused_with(services, scopes, std::move(*found), std::move(near));
        if (!found) co_return found;
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
