// What the sidecar tells the log: a field's name up to the first line feed, and the fields.
#include "log_fields.hpp"

#include "fuzz.hpp"

#include <string>

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view fields = fuzz::text(data, size);
    std::string_view name = fuzz::take_until(fields, '\n');
    std::string_view value = log_field(fields, name);
    fuzz::require(value.find(';') == std::string_view::npos);
    if (value.empty()) return 0;
    std::string field = std::string(name) + "=" + std::string(value);
    fuzz::require(fields.find(field) != std::string_view::npos);
    return 0;
}
