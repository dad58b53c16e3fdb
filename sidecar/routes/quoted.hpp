// Which passages of documents an answer was given from, as its metadata says it.
#pragma once

#include "base/json.hpp"
#include "knowledge/document_store.hpp"

#include <fmt/format.h>

namespace npcchat {

// Appends `"knowledge": […]`, best first.
inline void append_quoted(std::string& body, const std::vector<Passage>& quoted) {
    body += R"("knowledge": [)";
    for (const Passage& passage : quoted) {
        fmt::format_to(std::back_inserter(body), R"({}{{"document_id": {}, "title": {}, "chunk": {}}})",
                       &passage == &quoted.front() ? "" : ", ", json_string(passage.document_id),
                       json_string(passage.title), passage.seq);
    }
    body += "]";
}

} // namespace npcchat
