// Cuts a document into the pieces that are searched and quoted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

struct Chunk {
    std::string heading;   // title and headings that it stands under, " > " between them; may be empty
    std::string_view text; // of the document, without white space around it
};

// In estimated tokens (chat/tokens.hpp).
struct ChunkSizes {
    std::size_t tokens = 256; // of a chunk, at most; at least 16
    std::size_t overlap = 32; // of what a chunk repeats of the one before; at most half of `tokens`
};

// In the document's order. Chunks end where sections, paragraphs, items of lists or sentences do, as far as
// their size lets them, and in no case within a character; Markdown's headings (`# …`) and fenced blocks are
// known. A section begins without a repetition. Nothing for a text of white space. Takes time in proportion
// to the text: some 10 ms for a MiB. `text` is valid UTF-8 and outlives the chunks.
std::vector<Chunk> cut_into_chunks(std::string_view title, std::string_view text, ChunkSizes sizes = {});

} // namespace npcchat
