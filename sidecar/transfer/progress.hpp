// How far a long command is: a bar on a terminal, plain lines elsewhere. On standard error.
#pragma once

#include "io/task.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace npcchat {

class Progress {
  public:
    Progress();
    ~Progress() { end(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // Begins a part of `total` things (0: not known).
    void begin(std::string_view what, std::int64_t total);
    void set(std::int64_t done);
    // A line of its own.
    void note(std::string_view line);
    // Says how far the part came.
    void end();

  private:
    void draw();
    void print_line();

    const bool to_terminal_;
    std::string what_; // empty: no part has begun
    std::int64_t done_ = 0;
    std::int64_t total_ = 0;
    Clock::time_point next_{};
};

} // namespace npcchat
