#include "knowledge/scope_vectors.hpp"

#include "base/log.hpp"
#include "knowledge/best.hpp"
#include "knowledge/huge_pages.hpp"

#include <algorithm>

namespace npcchat {
namespace {

// Beyond, looking past what is gone costs more than reading the scope anew.
constexpr std::size_t kMaxGonePart = 4;
constexpr std::size_t kAlwaysGone = 1000;

std::vector<std::byte> record_of(const Vector& vector) {
    std::vector<std::byte> record(record_bytes(vector.values.size()));
    write_record(vector, record.data());
    return record;
}

} // namespace

ScopeVectors::Block::Block(std::size_t record_bytes)
    : records(static_cast<std::byte*>(std::aligned_alloc(kHugePage, (kBlock * record_bytes + kHugePage - 1) /
                                                                        kHugePage * kHugePage)),
              std::free) {
    if (!records) throw std::bad_alloc();
}

void ScopeVectors::add(std::int64_t chunk_id, const Vector& vector) {
    const std::lock_guard lock(mutex_);
    const std::size_t at = size_ % kBlock;
    const std::size_t bytes = record_bytes(dimensions_);
    if (at == 0) {
        blocks_.push_back(std::make_shared<Block>(bytes));
        // Small scopes, which are many, would take more memory.
        if (size_ > 0) prefer_huge_pages(blocks_.back()->records.get(), kBlock * bytes);
    }
    Block& block = *blocks_.back();
    block.ids[at] = chunk_id;
    write_record(vector, block.records.get() + at * bytes);
    ++size_;
}

std::size_t ScopeVectors::size() const {
    const std::lock_guard lock(mutex_);
    return size_;
}

std::size_t ScopeVectors::bytes() const {
    const std::lock_guard lock(mutex_);
    return size_ * (record_bytes(dimensions_) + sizeof(std::int64_t)) +
           in_graph_ * VectorGraph::kBytesPerVector;
}

bool ScopeVectors::remove(const std::vector<std::int64_t>& chunk_ids) {
    const std::lock_guard lock(mutex_);
    auto more = std::make_shared<Gone>(*gone_); // searches have the old one
    more->insert(chunk_ids.begin(), chunk_ids.end());
    gone_ = std::move(more);
    return gone_->size() > std::max(kAlwaysGone, size_ / kMaxGonePart);
}

ScopeVectors::Snapshot ScopeVectors::snapshot() const {
    const std::lock_guard lock(mutex_);
    return {blocks_, size_, gone_};
}

const std::byte* ScopeVectors::record(const Snapshot& all, std::size_t number) const {
    return all.blocks[number / kBlock]->records.get() + number % kBlock * record_bytes(dimensions_);
}

// Looks at the vectors from a number on; what was `found` before competes with them.
std::vector<Ranked> ScopeVectors::search(const Snapshot& all, const Vector& query, std::size_t from,
                                         std::vector<Ranked> found, std::size_t most) const {
    const std::vector<std::byte> asked = record_of(query);
    Best best(std::move(found), most);
    for (std::size_t i = from; i < all.size; ++i) {
        const double score = cosine(asked.data(), record(all, i), dimensions_);
        if (!best.takes(score)) continue;
        const std::int64_t id = all.blocks[i / kBlock]->ids[i % kBlock];
        if (!all.gone->contains(id)) best.add(id, score);
    }
    return best.take();
}

std::vector<Ranked> ScopeVectors::scan(const Vector& query, std::size_t most) const {
    return search(snapshot(), query, 0, {}, most);
}

// What it finds that is gone is taken out, and others found in its place.
std::vector<Ranked> ScopeVectors::search_graph(const Snapshot& all, const Vector& query, std::size_t most) {
    const std::vector<std::byte> asked = record_of(query);
    for (;;) {
        std::vector<Ranked> found;
        bool is_clean = true;
        for (const auto& [number, similarity] : graph_->nearest(asked.data(), most)) {
            const std::int64_t id = all.blocks[number / kBlock]->ids[number % kBlock];
            if (all.gone->contains(id)) {
                graph_->remove(number);
                is_clean = false;
            } else {
                found.push_back({id, similarity});
            }
        }
        if (is_clean) return found;
    }
}

std::vector<Ranked> ScopeVectors::nearest(const Vector& query, std::size_t most) {
    const Snapshot all = snapshot();
    if (!graph_) return search(all, query, 0, {}, most);
    return search(all, query, graph_->size(), search_graph(all, query, most), most);
}

bool ScopeVectors::claim_growth() {
    const std::size_t all = size();
    return !no_graph_ && all >= graph_from_ && in_graph_ < all && !growing_.exchange(true);
}

bool ScopeVectors::grow(Clock::duration time) {
    const Snapshot all = snapshot();
    const auto end = Clock::now() + time;
    try {
        if (!graph_) graph_ = std::make_unique<VectorGraph>(dimensions_);
        while (graph_->size() < all.size && Clock::now() < end)
            graph_->add(record(all, graph_->size()));
        in_graph_ = graph_->size();
    } catch (const std::exception& error) {
        log(Level::error, "vectors are compared one by one from now on",
            {{"error", std::string_view(error.what())}});
        graph_.reset();
        in_graph_ = 0;
        no_graph_ = true;
    }
    if (!no_graph_ && in_graph_ < all.size) return true;
    growing_ = false;
    return false;
}

} // namespace npcchat
