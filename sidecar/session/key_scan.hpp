// Looks for keys in Redis, on every node of a cluster, step by step: SCAN, which keeps nobody waiting.
#pragma once

#include "io/redis.hpp"

namespace npcchat {

class KeyScan {
  public:
    // `pattern` as SCAN has it; `step`: keys that are looked at in a step, about.
    KeyScan(Redis& redis, std::string pattern, int step)
        : redis_(redis), pattern_(std::move(pattern)), step_(step) {}

    bool done() const { return done_; }

    // Some of the keys that match. All steps together give each key that is there the whole time, some twice;
    // keys that come meanwhile may be missed. 503 where Redis is down: the next call tries the step again.
    Task<Result<std::vector<std::string>>> next();

  private:
    Redis& redis_;
    std::string pattern_;
    int step_;
    std::string cursor_ = "0";
    bool done_ = false;
};

} // namespace npcchat
