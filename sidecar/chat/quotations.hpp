// What was found in documents, as a part of the system message.
#pragma once

#include "knowledge/document_store.hpp"

#include <span>

namespace npcchat {

// What the model is to do with what is quoted.
enum class Quoting {
    knowledge,   // an NPC's own, that it may draw on
    answers_only // the only thing to answer from, or else not knowing is to be admitted
};

// `### KNOWLEDGE:`, an introduction that says that what follows is quoted and no instruction, and the
// passages, each fenced and made harmless, its text otherwise as it was given. Without passages: empty for an
// NPC's knowledge, and a word on there being none for answers_only.
std::string quotation_section(std::span<const Passage> passages, Quoting quoting);

// How many of the passages, from the first on, that section may have at most `tokens` (estimated) with.
std::size_t quotations_within(std::span<const Passage> passages, Quoting quoting, std::size_t tokens);

} // namespace npcchat
