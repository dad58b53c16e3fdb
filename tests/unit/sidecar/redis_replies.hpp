// Replies of Redis from the text of the protocol.
#pragma once

#include "io/redis_reply.hpp"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <initializer_list>
#include <memory>
#include <string>

namespace npcchat::testing {

inline std::string bulk(std::string_view text) {
    return fmt::format("${}\r\n{}\r\n", text.size(), text);
}
inline std::string number(long long value) {
    return fmt::format(":{}\r\n", value);
}
inline std::string nil() {
    return "$-1\r\n";
}
inline std::string array(std::initializer_list<std::string> parts) {
    std::string all = fmt::format("*{}\r\n", parts.size());
    for (const std::string& part : parts)
        all += part;
    return all;
}

inline RedisReply parse_reply(const std::string& text) {
    const std::unique_ptr<redisReader, void (*)(redisReader*)> reader(redisReaderCreate(), redisReaderFree);
    void* reply = nullptr;
    redisReaderFeed(reader.get(), text.data(), text.size());
    redisReaderGetReply(reader.get(), &reply);
    return RedisReply(static_cast<redisReply*>(reply));
}

} // namespace npcchat::testing
