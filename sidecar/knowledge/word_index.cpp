#include "knowledge/word_index.hpp"

#include "io/pause.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr int kPage = 64; // some milliseconds' work for the loop and the database
constexpr auto kPatience = 500ms;
constexpr auto kPoll = 1ms;
constexpr auto kSearchLimit = 2s;
constexpr std::size_t kFew = 2000; // are ranked on the loop: some 20 µs
constexpr int kMostRounds = 4;     // of searches that find what is gone

// In the order of `ranked`; what is not there any more goes into `gone`.
std::vector<Passage> in_order(const std::vector<Ranked>& ranked, std::vector<Passage> passages,
                              std::vector<std::int64_t>& gone) {
    std::unordered_map<std::int64_t, Passage*> by_id;
    for (Passage& passage : passages)
        by_id.emplace(passage.chunk_id, &passage);
    std::vector<Passage> ordered;
    for (const Ranked& one : ranked) {
        const auto found = by_id.find(one.id);
        if (found == by_id.end()) {
            gone.push_back(one.id);
            continue;
        }
        ordered.push_back(std::move(*found->second));
        ordered.back().score = one.score;
    }
    return ordered;
}

} // namespace

// One reader at a time. What is read after `patient_until` is read in the background.
Task<Result<void>> WordIndex::read(DocumentStore& store, std::int64_t scope_id,
                                   std::shared_ptr<Cache::Entry> entry, Clock::time_point patient_until) {
    const Executor executor = co_await asio::this_coro::executor;
    const bool in_background = patient_until == Clock::time_point::max();
    for (;;) {
        const auto begun = Clock::now();
        auto page = co_await store.words(scope_id, entry->read_to, kPage);
        if (!page) {
            cache_.finish_reading(*entry, false);
            co_return std::unexpected(std::move(page.error()));
        }
        for (ChunkWords& chunk : *page) {
            entry->content->add(chunk.id, parse_lexemes(chunk.words));
            entry->read_to = std::move(chunk.at);
        }
        if (page->size() < static_cast<std::size_t>(kPage)) break;
        cache_.make_room();
        if (in_background) {
            co_await pause(executor, Clock::now() - begun); // others have the database meanwhile
        } else if (Clock::now() > patient_until) {
            cache_.read_on(*entry);
            spawn(executor, "words", [this, &store, scope_id, entry] -> Task<void> {
                co_await read(store, scope_id, entry, Clock::time_point::max());
            });
            co_return Result<void>();
        }
    }
    cache_.finish_reading(*entry, true);
    cache_.make_room();
    co_return Result<void>();
}

// Who comes while another reads waits for it: an answer without what is known would be wrong.
Task<Result<void>> WordIndex::catch_up(DocumentStore& store, std::int64_t scope_id,
                                       std::shared_ptr<Cache::Entry> entry) {
    const Executor executor = co_await asio::this_coro::executor;
    const auto patient_until = Clock::now() + kPatience;
    while (!cache_.claim_reading(*entry)) {
        if (!cache_.is_awaited(*entry) || Clock::now() > patient_until) co_return Result<void>();
        co_await pause(executor, kPoll);
    }
    co_return co_await read(store, scope_id, entry, patient_until);
}

Task<Result<WordIndex::Contents>> WordIndex::contents(DocumentStore& store, ScopeIds scopes) {
    Contents all;
    for (const std::int64_t scope_id : scopes) {
        if (scope_id == 0) continue;
        auto entry = cache_.entry_of(0, scope_id, [] { return std::make_shared<ScopeWords>(); });
        all.push_back(entry->content);
        const auto done = co_await catch_up(store, scope_id, std::move(entry));
        if (!done) co_return std::unexpected(done.error());
    }
    co_return all;
}

Task<Result<std::vector<Ranked>>> WordIndex::rank(Contents scopes, std::vector<std::uint64_t> words,
                                                  std::size_t most) {
    std::size_t size = 0;
    for (const auto& scope : scopes)
        size += scope->size();
    const bool is_few = size <= kFew;
    const SearchTime time(is_few ? metrics_.few : metrics_.many);
    if (is_few) co_return ScopeWords::best(scopes, std::move(words), most);
    const Executor executor = co_await asio::this_coro::executor;
    co_return co_await searcher_.run(executor, kSearchLimit,
                                     [scopes = std::move(scopes), words = std::move(words), most] {
                                         return ScopeWords::best(scopes, words, most);
                                     });
}

Task<Result<std::vector<Passage>>> WordIndex::search(DocumentStore& store, ScopeIds scopes,
                                                     std::string question, int most) {
    const auto asked = co_await store.lexemes(std::move(question));
    if (!asked) co_return std::unexpected(asked.error());
    std::vector<std::uint64_t> words;
    for (const CountedWord& one : parse_lexemes(*asked))
        words.push_back(one.word);
    if (words.empty()) co_return std::vector<Passage>();
    for (int round = 1;; ++round) {
        const auto searched = co_await contents(store, scopes);
        if (!searched) co_return std::unexpected(searched.error());
        const auto ranked = co_await rank(*searched, words, static_cast<std::size_t>(most));
        if (!ranked) co_return std::unexpected(ranked.error());
        std::vector<std::int64_t> ids;
        for (const Ranked& one : *ranked)
            ids.push_back(one.id);
        auto passages = co_await store.passages(ids);
        if (!passages) co_return std::unexpected(std::move(passages.error()));
        std::vector<std::int64_t> gone;
        auto found = in_order(*ranked, std::move(*passages), gone);
        if (!gone.empty()) cache_.remove(scopes, gone);
        if (gone.empty() || round == kMostRounds) co_return found;
    }
}

} // namespace npcchat
