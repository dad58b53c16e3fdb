#include "knowledge/vector_graph.hpp"

#include "knowledge/huge_pages.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#if __has_feature(address_sanitizer)
#define NO_MANUAL_VECTORIZATION // hnswlib's prefetches read the link behind the last one
#endif
#include <hnswlib/hnswlib.h>

namespace npcchat {
namespace {

constexpr std::size_t kFirstRoom = 1024;
constexpr std::size_t kLinks = 16;       // M
constexpr std::size_t kBuildWidth = 160; // with 96, what a million vectors find is .98 however far one looks
// The more vectors, the further one has to look to find as many of the nearest: see scripts/bench-retrieval.
constexpr std::size_t kSearchWidth = 160;
constexpr std::size_t kVectorsToWiden = 2000; // for each so many it is one more

// What the graph keeps of a vector is where its record lies; with it what brings hnswlib's label, which comes
// behind that and the links, to an address that is one of a label.
constexpr std::size_t kLinkBytes = sizeof(hnswlib::linklistsizeint) + 2 * kLinks * sizeof(hnswlib::tableint);
constexpr std::size_t kKept = sizeof(const std::byte*) + 4;
static_assert((kLinkBytes + kKept) % alignof(hnswlib::labeltype) == 0);

class RecordSpace final : public hnswlib::SpaceInterface<float> {
  public:
    explicit RecordSpace(std::size_t dimensions) : dimensions_(dimensions) {}
    std::size_t get_data_size() override { return kKept; }
    hnswlib::DISTFUNC<float> get_dist_func() override { return distance; }
    void* get_dist_func_param() override { return &dimensions_; }

  private:
    static float distance(const void* left, const void* right, const void* dimensions) {
        const std::byte* one = nullptr;
        const std::byte* other = nullptr;
        std::memcpy(&one, left, sizeof(one));
        std::memcpy(&other, right, sizeof(other));
        return 1 - static_cast<float>(cosine(one, other, *static_cast<const std::size_t*>(dimensions)));
    }

    std::size_t dimensions_;
};

} // namespace

struct VectorGraph::Hnsw {
    explicit Hnsw(std::size_t dimensions)
        : space(dimensions), index(&space, kFirstRoom, kLinks, kBuildWidth) {}
    RecordSpace space;
    hnswlib::HierarchicalNSW<float> index;
};

VectorGraph::VectorGraph(std::size_t dimensions) : hnsw_(std::make_unique<Hnsw>(dimensions)) {}
VectorGraph::~VectorGraph() = default;

std::size_t VectorGraph::size() const {
    return hnsw_->index.cur_element_count;
}

void VectorGraph::add(const std::byte* record) {
    auto& index = hnsw_->index;
    const std::size_t number = index.cur_element_count;
    if (number == index.max_elements_) {
        index.resizeIndex(number + number / 2);
        prefer_huge_pages(index.data_level0_memory_, index.max_elements_ * index.size_data_per_element_);
    }
    std::array<std::byte, kKept> kept{};
    std::memcpy(kept.data(), &record, sizeof(record));
    index.addPoint(kept.data(), number);
    index.ef_ = kSearchWidth + number / kVectorsToWiden;
}

void VectorGraph::remove(std::size_t number) {
    hnsw_->index.markDelete(number);
}

std::vector<VectorGraph::Neighbour> VectorGraph::nearest(const std::byte* query, std::size_t most) const {
    auto found = hnsw_->index.searchKnn(&query, most);
    std::vector<Neighbour> nearest;
    nearest.reserve(found.size());
    for (; !found.empty(); found.pop())
        nearest.push_back({found.top().second, 1.0 - static_cast<double>(found.top().first)});
    std::ranges::reverse(nearest);
    return nearest;
}

} // namespace npcchat
