// What the handlers of one event loop work with.
#pragma once

#include "account/passwords.hpp"
#include "base/metrics.hpp"
#include "catalog/catalog.hpp"
#include "chat/npc_cache.hpp"
#include "chat/plan_models.hpp"
#include "chat/usage_log.hpp"
#include "config/config.hpp"
#include "io/traces.hpp"
#include "io/worker.hpp"
#include "knowledge/document_store.hpp"
#include "knowledge/embedder.hpp"
#include "knowledge/embedding_job.hpp"
#include "knowledge/vector_index.hpp"
#include "knowledge/word_index.hpp"
#include "model/model_client.hpp"
#include "session/idempotency.hpp"
#include "session/lease_keeper.hpp"
#include "session/session_store.hpp"
#include "session/token_budget.hpp"

#include <vector>

namespace npcchat {

// Shared by all loops, each part safe for that.
struct Shared {
    explicit Shared(const Config& config)
        : config(config), words({config.vector_memory, !config.postgres_url.empty()}),
          vectors({config.vector_memory, !config.postgres_url.empty()}) {}
    const Config& config;
    Passwords passwords;
    NpcCache npcs{128UL * 1024 * 1024};
    PlanModels plan_models;
    UsageLog usage;
    Worker cutter{256}; // cuts documents into chunks
    EmbeddingState embedding;
    WordIndex words;
    VectorIndex vectors;
    std::vector<const Metrics*> metrics; // of every loop, filled before the loops run
};

struct Services {
    Shared& shared;
    const Config& config;
    Catalog& catalog;
    DocumentStore& documents;
    EmbeddingStore& embeddings;
    Embedder& embedder;
    SessionStore& sessions;
    TokenBudget& tokens;
    IdempotencyStore& repeats;
    LeaseKeeper& leases;
    ModelClient& models;
    Metrics& metrics;
    Traces& traces;
    ModelTablePtr table; // of models; a reload puts another in its place, so who works with it keeps a copy
};

} // namespace npcchat
