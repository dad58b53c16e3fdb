#include "knowledge/embedding_job.hpp"

#include "base/ids.hpp"
#include "base/log.hpp"
#include "io/pause.hpp"
#include "io/renewal.hpp"
#include "knowledge/relevance.hpp"

#include <algorithm>
#include <unordered_map>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEvery = 500ms;
constexpr auto kFirstBackoff = 500ms;
constexpr auto kMaxBackoff = 30s;
constexpr auto kAskAgain = 5s;
constexpr auto kEmbedLimit = 60s;
constexpr Millis kLease = 5000; // renewed while a call lasts
constexpr auto kRenewLeaseEvery = 1500ms;
constexpr auto kNotOurs = 1s;
// After vectors were stored, chats have the database to themselves for so many times as long as that took.
constexpr int kRest = 16;
constexpr auto kMaxRest = 100ms;
constexpr int kCopied = 64; // vectors to pgvector at a time

std::string describe(const EmbeddingModel& model) {
    return (model.name.empty() ? "a model" : model.name) + " of " + std::to_string(model.dimensions) +
           " dimensions";
}

bool is_same(const EmbeddingModel& stored, const EmbeddingModel& offered) {
    const bool other_name = !stored.name.empty() && !offered.name.empty() && stored.name != offered.name;
    return stored.dimensions == offered.dimensions && !other_name;
}

} // namespace

EmbeddingState::View EmbeddingState::view() const {
    const std::lock_guard lock(mutex_);
    return view_;
}

void EmbeddingState::set(View view) {
    const std::lock_guard lock(mutex_);
    view_ = std::move(view);
}

void EmbeddingState::set_trouble(std::string trouble) {
    const std::lock_guard lock(mutex_);
    view_.trouble = std::move(trouble);
}

bool EmbeddingState::may_ask() const {
    const std::lock_guard lock(mutex_);
    return view_.phase == Phase::ready && Clock::now() >= ask_again_;
}

void EmbeddingState::asked_in_vain() {
    const std::lock_guard lock(mutex_);
    ask_again_ = Clock::now() + kAskAgain;
}

Task<Result<void>> ask_for_model(Embedder& embedder, EmbeddingState::View& view) {
    view.offered.name = co_await embedder.model_name();
    const auto vectors = co_await embedder.embed_all(unrelated_texts(query_prefix(view.offered.name)), 10s);
    if (!vectors) co_return std::unexpected(vectors.error());
    view.offered.dimensions = static_cast<std::int64_t>(vectors->front().size());
    for (const auto& vector : *vectors) {
        if (vector.size() != vectors->front().size())
            co_return fail(502, "The embedder's vectors have different numbers of dimensions");
    }
    view.unrelated = unrelated_below(*vectors);
    co_return Result<void>();
}

EmbeddingJob::EmbeddingJob(Executor executor, Embedder& embedder, EmbeddingStore& store,
                           EmbeddingState& state)
    : executor_(executor), embedder_(embedder), store_(store), state_(state), token_(random_token(16)) {}

Task<void> EmbeddingJob::renew_lease() {
    co_await store_.take_lease(token_, kLease);
}

Task<void> EmbeddingJob::run() {
    if (!embedder_.embeds()) co_return;
    EmbeddingState::View unknown;
    unknown.phase = EmbeddingState::Phase::unknown;
    state_.set(std::move(unknown));
    Clock::duration backoff = kFirstBackoff;
    for (;;) {
        bool more = false;
        std::string trouble;
        const bool met = co_await meet_embedder();
        const bool agreed = met ? co_await agree_on_model() : false;
        if (agreed) {
            auto worked = co_await work();
            if (worked)
                more = *worked;
            else
                trouble = std::move(worked.error().detail);
            if (!trouble.empty())
                log(Level::warning, "embedding failed", {{"error", std::string_view(trouble)}});
            state_.set_trouble(trouble);
        }
        if (met && trouble.empty()) {
            backoff = kFirstBackoff;
            if (!more) co_await pause(executor_, kLookEvery);
        } else {
            co_await pause(executor_, backoff);
            backoff = std::min<Clock::duration>(backoff * 2, kMaxBackoff);
        }
    }
}

// The embedder is asked for its model once, and again after it failed.
Task<bool> EmbeddingJob::meet_embedder() {
    EmbeddingState::View view = state_.view();
    if (view.offered.dimensions != 0 && view.trouble.empty()) co_return true;
    const auto asked = co_await ask_for_model(embedder_, view);
    if (!asked) {
        state_.set_trouble(asked.error().detail);
        co_return false;
    }
    view.trouble.clear();
    state_.set(std::move(view));
    co_return true;
}

// Vectors of two models cannot be compared: what is stored stays, until /reindex/ says that it may go.
Task<bool> EmbeddingJob::agree_on_model() {
    EmbeddingState::View view = state_.view();
    auto current = co_await store_.current_model();
    if (!current) co_return false;
    if (!*current) {
        auto first = co_await store_.use_model(view.offered.name, view.offered.dimensions);
        if (!first) co_return false;
        *current = std::move(*first);
    }
    if (view.model.id != (*current)->id) view.in_database = false;
    view.model = std::move(**current);
    const bool same = is_same(view.model, view.offered);
    if (!same && view.phase != EmbeddingState::Phase::changed) {
        log(Level::error, "the embedder's model has changed: POST /reindex/ to embed all documents anew",
            {{"stored", describe(view.model)}, {"offered", describe(view.offered)}});
    }
    view.phase = same ? EmbeddingState::Phase::ready : EmbeddingState::Phase::changed;
    state_.set(std::move(view));
    co_return same;
}

// One step; whether there may be more to do.
Task<Result<bool>> EmbeddingJob::work() {
    const EmbeddingModel model = state_.view().model;
    auto chunks = co_await store_.waiting(model.id, Embedder::kMaxTexts);
    if (!chunks) co_return std::unexpected(std::move(chunks.error()));
    if (chunks->empty()) {
        auto swept = co_await store_.sweep(model.id);
        if (!swept || *swept) co_return swept;
        co_return co_await move_to_pgvector(model);
    }
    const auto ours = co_await store_.take_lease(token_, kLease);
    if (!ours) co_return std::unexpected(ours.error());
    if (!*ours) {
        co_await pause(executor_, kNotOurs);
        co_return true;
    }
    const Renewal renewal(executor_, kRenewLeaseEvery, [this] { return renew_lease(); });
    // Each text once, and none that has a vector.
    std::vector<std::string> digests;
    std::unordered_map<std::string_view, const UnembeddedChunk*> by_digest;
    for (const UnembeddedChunk& chunk : *chunks) {
        if (by_digest.emplace(chunk.digest, &chunk).second) digests.push_back(chunk.digest);
    }
    const auto known = co_await store_.known(model.id, digests);
    if (!known) co_return std::unexpected(known.error());
    std::vector<UnembeddedChunk> fresh;
    for (std::size_t i = 0; i < digests.size(); ++i) {
        if (!(*known)[i]) fresh.push_back(*by_digest[digests[i]]);
    }
    std::vector<EmbeddedText> embedded;
    if (!fresh.empty()) {
        const auto done = co_await embed_some(std::move(fresh), embedded);
        if (!done) co_return std::unexpected(done.error());
    }
    const auto begun = Clock::now();
    const auto stored = co_await store_.store(model.id, std::move(embedded), *chunks);
    co_await pause(executor_, std::min<Clock::duration>(kRest * (Clock::now() - begun), kMaxRest));
    if (!stored) co_return std::unexpected(stored.error());
    co_return true;
}

// One step, where the database has pgvector; whether there is more to do. What is embedded meanwhile goes
// there by itself, and memory is searched until all is there.
Task<Result<bool>> EmbeddingJob::move_to_pgvector(const EmbeddingModel& model) {
    if (asked_pgvector_for_ != model.id) {
        const auto used = co_await store_.use_pgvector(model);
        if (!used) co_return std::unexpected(used.error());
        asked_pgvector_for_ = model.id;
        copied_to_.reset();
        if (*used) copied_to_ = 0;
    }
    if (!copied_to_) co_return false;
    const auto begun = Clock::now();
    const auto last = co_await store_.copy_to_pgvector(model.id, *copied_to_, kCopied);
    if (!last) co_return std::unexpected(last.error());
    co_await pause(executor_, std::min<Clock::duration>(kRest * (Clock::now() - begun), kMaxRest));
    copied_to_ = *last;
    if (copied_to_) co_return true;
    EmbeddingState::View view = state_.view();
    view.in_database = view.model.id == model.id;
    state_.set(std::move(view));
    log(Level::info, "pgvector searches the vectors");
    co_return false;
}

// Halves what is refused, until it passes or is one text.
Task<Result<void>> EmbeddingJob::embed_some(std::vector<UnembeddedChunk> chunks,
                                            std::vector<EmbeddedText>& embedded) {
    std::vector<std::string> texts;
    for (const UnembeddedChunk& chunk : chunks)
        texts.push_back(chunk.text);
    const auto vectors = co_await embedder_.embed(texts, kEmbedLimit);
    if (!vectors && vectors.error().status == 413 && chunks.size() > 1) {
        const auto middle = chunks.begin() + static_cast<std::ptrdiff_t>(chunks.size() / 2);
        const auto first = co_await embed_some({chunks.begin(), middle}, embedded);
        if (!first) co_return first;
        co_return co_await embed_some({middle, chunks.end()}, embedded);
    }
    if (!vectors && vectors.error().status == 413) {
        // Others wait behind it.
        log(Level::warning, "the embedder refuses a chunk: it will be found by its words alone",
            {{"chunk", chunks.front().id}});
        co_return Result<void>();
    }
    if (!vectors) co_return std::unexpected(vectors.error());
    const auto dimensions = static_cast<std::size_t>(state_.view().model.dimensions);
    if (vectors->front().size() != dimensions) {
        EmbeddingState::View view = state_.view();
        view.offered = {}; // asked anew
        state_.set(std::move(view));
        co_return fail(502, "The embedder's vectors have another number of dimensions than before");
    }
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        if (const auto vector = quantize((*vectors)[i]))
            embedded.push_back({chunks[i].digest, encode(*vector)});
    }
    co_return Result<void>();
}

} // namespace npcchat
