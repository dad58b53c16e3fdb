// `npcchat-sidecar import`: an export's file into the stores.
#pragma once

#include "transfer/on_stores.hpp"

namespace npcchat {

// Reads the file, or the file in the folder, that `path` names. What is there already stays as it is; what
// belongs to somebody else is named, left out, and an error in the end. A line that is broken ends it.
Outcome import_stores(const Config& config, const std::string& path);

} // namespace npcchat
