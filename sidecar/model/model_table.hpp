// The models that chats may name, and where each is served.
#pragma once

#include "io/http_client.hpp"

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

struct ModelTarget {
    std::string base_url; // without a trailing slash; "/chat/completions" follows
    std::string api_key;  // empty: none is sent
    std::string upstream_name;
    HttpTimeouts timeouts;
};

// For a million tokens each, in whatever currency the operator counts.
struct Price {
    double input = 0;
    double output = 0;
};

struct Model {
    std::string name;
    Price price;
    std::size_t context_tokens = 0; // prompt and answer together
    ModelTarget target;
};

// What a variable of the environment is set to; nothing where it is unset or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;

class ModelTable {
  public:
    // Reads MODELS_FILE, OPENAI_*, NEBIUS_*, MODEL_NAME and the MODEL_*_TIMEOUT defaults. The error names the
    // place and says what to write instead.
    static std::expected<ModelTable, std::string> from_environment(const Environment& environment,
                                                                   const HttpTimeouts& defaults);

    // Null where the table has no such model. Empty: the default model.
    const Model* find(std::string_view name) const;
    const Model* default_model() const; // MODEL_NAME, else the first; null where the table is empty
    const std::vector<Model>& all() const { return models_; }

  private:
    std::vector<Model> models_;
    std::size_t default_ = 0;
};

} // namespace npcchat
