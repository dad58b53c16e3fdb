// From which similarity on a text has to do with a question: what models call near differs between them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// Messages and passages of which none has to do with another, for the model to be asked for their vectors.
// `prefix` stands before the messages.
std::vector<std::string> unrelated_texts(std::string_view prefix);

// The cosine below which a passage has nothing to do with a message, by the vectors of those texts. Measured
// by scripts/bench-retrieval: one right passage in 200 is lost, and nine in ten of the unrelated.
double unrelated_below(std::span<const std::vector<float>> vectors);

} // namespace npcchat
