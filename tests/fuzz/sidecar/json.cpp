// JSON of bodies: what is read as a value can be walked over, and written and read again as the same value.
#include "base/json.hpp"
#include "base/json_walk.hpp"
#include "fuzz.hpp"

using namespace npcchat;

namespace {

/// Each member stands in the text, and says what the value says.
void compare(std::string_view text, const json_t* value) {
    JsonWalk walk(text);
    std::size_t count = 0;
    while (walk.next()) {
        ++count;
        fuzz::require(walk.value().data() >= text.data() &&
                      walk.value().data() + walk.value().size() <= text.data() + text.size());
        const auto part = read_json(walk.value(), kJsonMaxDepth);
        fuzz::require(part.has_value());
        if (json_is_array(value)) fuzz::require(json_equal(part->get(), json_array_get(value, count - 1)));
        if (json_is_object(value)) {
            const auto name = read_json_string({walk.name().data() - 1, walk.name().size() + 2});
            fuzz::require(name && walk.is_named(*name));
            fuzz::require(json_equal(part->get(), json_object_getn(value, name->data(), name->size())));
        }
    }
    fuzz::require(!walk.failed());
    fuzz::require(count == (json_is_array(value) ? json_array_size(value) : json_object_size(value)));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = fuzz::text(data, size);
    // Also over what is malformed a walk ends.
    for (JsonWalk walk(text); walk.next();)
        fuzz::require(!walk.value().empty());

    const auto value = parse_json(text);
    if (!value) {
        fuzz::require(value.error().status == 400);
        return 0;
    }
    if (json_is_array(value->get()) || json_is_object(value->get())) compare(text, value->get());
    if (json_is_string(value->get())) {
        const std::string written =
            json_string({json_string_value(value->get()), json_string_length(value->get())});
        const auto again = parse_json(written);
        fuzz::require(again && json_equal(again->get(), value->get()));
    }
    return 0;
}
