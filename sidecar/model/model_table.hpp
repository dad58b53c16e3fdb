// The models that chats may name, and where each is served. A table is never changed: a reload makes a new
// one.
#pragma once

#include "io/http_client.hpp"
#include "model/target_pool.hpp"

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// The API that a target speaks.
enum class Wire {
    openai,    // OpenAI's chat completions
    anthropic, // Anthropic's messages
};

struct ModelTarget {
    std::string base_url; // without a trailing slash; the wire's path follows
    std::string api_key;  // empty: none is sent
    std::string upstream_name;
    Wire wire = Wire::openai;
    HttpTimeouts timeouts;
    double weight = 1;
    int concurrency = 0; // calls at once by this sidecar, 0: any number
};

// For a million tokens each, in whatever currency the operator counts.
struct Price {
    double input = 0;
    double output = 0;
};

struct Model {
    std::string name;
    std::size_t context_tokens = 0; // prompt and answer together
    Price price;
    std::vector<ModelTarget> targets;        // at least one
    std::vector<std::string> fallback_names; // models that are asked where no target answers, in this order
    std::vector<const Model*> fallbacks;     // the same, in the same table
    std::shared_ptr<TargetPool> pool;        // of `targets`, in the same order
};

// Of the context, kept for the answer; and the most that an answer has where neither request nor endpoint
// bounds it.
std::size_t answer_tokens(const Model& model);

// What a variable of the environment is set to; nothing where it is unset or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;

class ModelTable;
using ModelTablePtr = std::shared_ptr<const ModelTable>;
using ModelPtr = std::shared_ptr<const Model>; // keeps its table

class ModelTable {
  public:
    // Reads MODELS_FILE, OPENAI_*, NEBIUS_*, MODEL_NAME and the MODEL_*_TIMEOUT defaults. The error names the
    // place and says what to write instead. `old`: the table that this one is to replace, or null. What is
    // known of targets that are in both is kept.
    static std::expected<ModelTablePtr, std::string> from_environment(const Environment& environment,
                                                                      const HttpTimeouts& defaults,
                                                                      const ModelTable* old = nullptr);

    ModelTable() = default; // an empty one
    ModelTable(const ModelTable&) = delete;
    ModelTable& operator=(const ModelTable&) = delete;

    // Null where the table has no such model. Empty: the default model.
    const Model* find(std::string_view name) const;
    const Model* default_model() const; // MODEL_NAME, else the first; null where the table is empty
    const std::vector<Model>& all() const { return models_; }

  private:
    void link_fallbacks();
    void make_pools(const ModelTable* old);

    std::vector<Model> models_;
    std::size_t default_ = 0;
};

} // namespace npcchat
