#include "session/key_scan.hpp"

namespace npcchat {

Task<Result<std::vector<std::string>>> KeyScan::next() {
    const auto reply = co_await redis_.command({"SCAN", cursor_, "MATCH", pattern_, "COUNT", step_});
    if (!reply) co_return std::unexpected(reply.error());
    if (reply->size() != 2) co_return store_unavailable();
    cursor_ = (*reply)[0].text();
    done_ = cursor_ == "0";
    const RedisReply found = (*reply)[1];
    std::vector<std::string> keys;
    keys.reserve(found.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        keys.emplace_back(found[i].text());
    co_return keys;
}

} // namespace npcchat
