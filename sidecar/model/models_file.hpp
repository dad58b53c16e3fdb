// MODELS_FILE: the table of models as JSON.
//
//   {"models": [{"name": "smith", "context": 32768, "price": {"input": 0.15, "output": 0.6},
//                "fallbacks": ["guard"],
//                "targets": [{"base_url": "http://127.0.0.1:8080/v1", "model": "llama-3.1-8b",
//                             "api_key_env": "SMITH_KEY" | "api_key_file": "/run/secrets/smith",
//                             "wire": "openai" | "anthropic", "weight": 2, "concurrency": 16,
//                             "timeouts": {"connect": 5, "first_token": 60, "between_tokens": 60,
//                                          "whole": 120}}]}]}
//
// docs/models.schema.json says the same for machines, field by field. Fields that are not known are errors:
// they would be settings without effect.
#pragma once

#include "model/model_table.hpp"

namespace npcchat {

// The error names the place in the file.
std::expected<std::vector<Model>, std::string>
read_models_file(const std::string& path, const Environment& environment, const HttpTimeouts& defaults);
std::expected<std::vector<Model>, std::string>
parse_models(std::string_view text, const Environment& environment, const HttpTimeouts& defaults);

} // namespace npcchat
