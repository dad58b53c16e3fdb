// What Redis answers, as hiredis has parsed it.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

struct redisReply;

namespace npcchat {

// A reply, or a part of one; the parts share their whole.
class RedisReply {
  public:
    explicit RedisReply(redisReply* reply); // takes it over
    bool is_nil() const;
    bool is_error() const;
    std::int64_t integer() const;                   // 0 where it is none
    std::string_view text() const;                  // of strings, statuses and errors, else empty
    std::size_t size() const;                       // of arrays, else 0
    RedisReply operator[](std::size_t index) const; // index < size()

  private:
    RedisReply(std::shared_ptr<redisReply> whole, const redisReply* part);
    std::shared_ptr<redisReply> whole_;
    const redisReply* part_;
};

} // namespace npcchat
