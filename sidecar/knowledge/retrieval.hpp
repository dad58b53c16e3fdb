// Finds what documents say on a question.
#pragma once

#include "knowledge/document_store.hpp"

namespace npcchat {

struct Services;

struct RetrievalOptions {
    int retrieve = 20;   // passages that are looked at, 1 to 200
    int keep = 4;        // that are given back, at most
    bool rerank = false; // by the reranker, where there is one
};

// By words, and by meaning where there is an embedder, both fused. Best first. 503 where the database is
// down.
Task<Result<std::vector<Passage>>> retrieve(Services& services, ScopeIds scopes, const std::string& question,
                                            RetrievalOptions options);

} // namespace npcchat
