// Where the pieces of an answer go while the model still writes it.
#pragma once

#include "io/task.hpp"

#include <string_view>

namespace npcchat {

class Deltas {
  public:
    virtual ~Deltas() = default;

    // One piece, never empty, to be shown at once by the next flush().
    virtual void put(std::string_view text) = 0;
    // False where who reads is behind: await caught_up() before the model may go on.
    virtual bool flush() = 0;
    virtual Task<void> caught_up() = 0;
};

} // namespace npcchat
