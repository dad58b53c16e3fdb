// What the operator's commands that move data have in common.
#pragma once

#include "config/config.hpp"
#include "io/task.hpp"

#include <expected>
#include <functional>
#include <string>

namespace npcchat {

class Stores;

// The error is for the operator.
using Outcome = std::expected<void, std::string>;

// Makes the stores of `config` ready, waits until they answer, and runs the command on them to its end.
// SIGINT and SIGTERM end the process with status 130: what a command does must bear that at any point.
Outcome run_on_stores(const Config& config, std::function<Task<Outcome>(Executor, Stores&)> command);

} // namespace npcchat
