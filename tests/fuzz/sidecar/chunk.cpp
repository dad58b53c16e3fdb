// Chunks and answers of model endpoints, which may say anything.
#include "fuzz.hpp"
#include "model/openai_wire.hpp"

using namespace npcchat;

namespace {

bool is_inside(std::string_view part, std::string_view whole) {
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

bool is_sound(const Usage& usage) {
    return usage.prompt_tokens >= 0 && usage.completion_tokens >= 0;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = fuzz::text(data, size);
    if (const auto chunk = parse_chunk(text)) {
        fuzz::require(chunk->data == text && is_inside(chunk->text, text) &&
                      is_inside(chunk->finish_reason, text));
        fuzz::require(!chunk->usage || is_sound(*chunk->usage));
        fuzz::require(!chunk->is_usage_alone || chunk->usage.has_value());
    } else {
        fuzz::require(chunk.error().status == 502);
    }
    if (const auto completion = parse_completion(text))
        fuzz::require(!completion->text.empty() && is_sound(completion->usage));
    else
        fuzz::require(completion.error().status == 502);
    return 0;
}
