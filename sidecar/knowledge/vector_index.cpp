#include "knowledge/vector_index.hpp"

#include "base/log.hpp"
#include "knowledge/best.hpp"

#include <boost/asio/this_coro.hpp>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr int kPage = 500; // others wait for the database meanwhile
constexpr auto kSearchLimit = 2s;
constexpr std::size_t kFew = 2000; // are compared on the loop: some 50 µs
constexpr auto kGrowStep = 2ms;    // searches wait for one step, and chats have the processor between two

} // namespace

std::shared_ptr<VectorIndex::Cache::Entry> VectorIndex::entry_of(const EmbeddingModel& model,
                                                                 std::int64_t scope_id) {
    const auto dimensions = static_cast<std::size_t>(model.dimensions);
    return cache_.entry_of(model.id, scope_id,
                           [&] { return std::make_shared<ScopeVectors>(dimensions, kGraphFrom); });
}

// One reader at a time. The first page is waited for, more of them are read in the background.
Task<void> VectorIndex::read(EmbeddingStore& store, EmbeddingModel model, std::int64_t scope_id,
                             std::shared_ptr<Cache::Entry> entry, bool all) {
    const auto dimensions = static_cast<std::size_t>(model.dimensions);
    const Executor executor = co_await asio::this_coro::executor;
    bool is_read = false;
    for (;;) {
        auto page = co_await store.vectors(scope_id, model.id, entry->read_to, kPage);
        if (!page) break;
        for (const ChunkVector& one : *page) {
            if (const auto vector = decode(one.vector, dimensions))
                entry->content->add(one.at.chunk_id, *vector);
            entry->read_to = one.at;
        }
        is_read = page->size() < static_cast<std::size_t>(kPage);
        if (is_read) break;
        cache_.make_room();
        if (!all) {
            cache_.read_on(*entry);
            spawn(executor, "vectors", [this, &store, model, scope_id, entry] {
                return read(store, model, scope_id, entry, true);
            });
            co_return;
        }
    }
    if (entry->content->claim_growth())
        spawn(executor, "graph", [this, grown = std::weak_ptr(entry)] { return grow(grown); });
    cache_.finish_reading(*entry, is_read);
}

// Ends early where the scope is given up.
Task<void> VectorIndex::grow(std::weak_ptr<Cache::Entry> grown) {
    const Executor executor = co_await asio::this_coro::executor;
    const auto begun = Clock::now();
    Timer rest(executor);
    bool more = true;
    while (more) {
        const auto entry = grown.lock();
        if (!entry) co_return;
        const auto step = co_await searcher_.run(
            executor, kSearchLimit, [vectors = entry->content] { return vectors->grow(kGrowStep); },
            Lane::background);
        more = !step || *step;
        rest.expires_after(kGrowStep);
        co_await rest.async_wait(use_task);
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun).count();
    if (seconds > 0) log(Level::info, "vectors indexed", {{"seconds", std::int64_t{seconds}}});
    cache_.make_room();
}

Task<bool> VectorIndex::prepare(EmbeddingStore& store, const EmbeddingModel& model, ScopeIds scopes) {
    bool any = false;
    for (const std::int64_t scope_id : scopes) {
        if (scope_id == 0) continue;
        const auto entry = entry_of(model, scope_id);
        if (cache_.claim_reading(*entry)) co_await read(store, model, scope_id, entry, false);
        any = any || entry->content->size() > 0;
    }
    co_return any;
}

Task<Result<std::vector<Ranked>>> VectorIndex::nearest(EmbeddingStore& store, const EmbeddingModel& model,
                                                       ScopeIds scopes, Vector query, std::size_t most) {
    const bool any = co_await prepare(store, model, scopes);
    if (!any || query.values.size() != static_cast<std::size_t>(model.dimensions))
        co_return std::vector<Ranked>();
    std::vector<std::shared_ptr<ScopeVectors>> searched;
    std::size_t size = 0;
    for (const std::int64_t scope_id : scopes) {
        if (scope_id == 0) continue;
        searched.push_back(entry_of(model, scope_id)->content);
        size += searched.back()->size();
    }
    const bool is_few = size <= kFew;
    const SearchTime time(is_few ? metrics_.few : metrics_.many);
    auto search = [searched = std::move(searched), query = std::move(query), most, is_few] {
        std::vector<std::vector<Ranked>> lists;
        for (const auto& vectors : searched)
            lists.push_back(is_few ? vectors->scan(query, most) : vectors->nearest(query, most));
        return merge_best(lists, most);
    };
    if (is_few) co_return search();
    const Executor executor = co_await asio::this_coro::executor;
    co_return co_await searcher_.run(executor, kSearchLimit, std::move(search));
}

} // namespace npcchat
