#include "routes/paging.hpp"

#include "base/number.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

constexpr int kDefaultPage = 20;
constexpr int kMaxPage = 100;

} // namespace

Result<int> page_size(const Request& request) {
    const auto text = query_field(request, "limit");
    if (!text) return std::unexpected(text.error());
    if (!*text || (*text)->empty()) return kDefaultPage;
    const auto limit = parse_number<int>(**text);
    if (!limit || *limit < 1 || *limit > kMaxPage)
        return fail(422, fmt::format("limit: must be 1 to {}", kMaxPage));
    return *limit;
}

} // namespace npcchat
