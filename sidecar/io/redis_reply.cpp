#include "io/redis_reply.hpp"

#include <charconv>
#include <hiredis/hiredis.h>

namespace npcchat {

RedisReply::RedisReply(redisReply* reply) : whole_(reply, freeReplyObject), part_(reply) {}
RedisReply::RedisReply(std::shared_ptr<redisReply> whole, const redisReply* part)
    : whole_(std::move(whole)), part_(part) {}

bool RedisReply::is_nil() const {
    return part_->type == REDIS_REPLY_NIL;
}

bool RedisReply::is_error() const {
    return part_->type == REDIS_REPLY_ERROR;
}

std::int64_t RedisReply::integer() const {
    if (part_->type == REDIS_REPLY_INTEGER) return part_->integer;
    std::int64_t number = 0;
    const std::string_view digits = text();
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

std::string_view RedisReply::text() const {
    const bool has_text =
        part_->type == REDIS_REPLY_STRING || part_->type == REDIS_REPLY_STATUS || is_error();
    return has_text ? std::string_view(part_->str, part_->len) : std::string_view();
}

std::size_t RedisReply::size() const {
    return part_->type == REDIS_REPLY_ARRAY ? part_->elements : 0;
}

RedisReply RedisReply::operator[](std::size_t index) const {
    return RedisReply(whole_, part_->element[index]);
}

} // namespace npcchat
