// A user's plan, and numbers in it.
#include "plan.hpp"

#include "fuzz.hpp"

using namespace npcchat;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::uint32_t most = 1'000'000'000;
    std::string_view text = fuzz::text(data, size);

    auto count = parse_count(text);
    bool digits = size > 0 && text.find_first_not_of("0123456789") == std::string_view::npos;
    fuzz::require(count.has_value() == digits && count.value_or(0) <= most);

    Plan plan = parse_plan(text);
    fuzz::require(plan.rpm.value_or(0) <= most && plan.burst.value_or(0) <= most);
    return 0;
}
