#include "session/key_scan.hpp"

namespace npcchat {

Task<Result<std::vector<std::string>>> KeyScan::next() {
    auto page = co_await redis_.scan(cursor_, pattern_, step_);
    if (!page) co_return std::unexpected(std::move(page.error()));
    cursor_ = std::move(page->cursor);
    done_ = cursor_ == "0";
    co_return std::move(page->keys);
}

} // namespace npcchat
