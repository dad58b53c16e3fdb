// `npcchat-sidecar export`: all that the stores keep for good, in a file.
#pragma once

#include "transfer/on_stores.hpp"

namespace npcchat {

// Writes into the file, or into a file in the folder, that `path` names. See ExportFile for what happens
// where it was interrupted.
Outcome export_stores(const Config& config, const std::string& path);

} // namespace npcchat
