// Lists that are given out page by page: ?limit= and ?after=.
#pragma once

#include "base/json.hpp"
#include "http/message.hpp"

#include <vector>

namespace npcchat {

// How many at most, from the query; else a default. 422 for what is no size of a page.
Result<int> page_size(const Request& request);

// {"items": […], "next": …} from up to `size` + 1 items: the one more tells that a page follows. `write`
// gives an item's JSON, `cursor` the text for `after` that continues behind it.
template <class Item, class Write, class Cursor>
std::string page_json(const std::vector<Item>& items, int size, Write write, Cursor cursor) {
    const std::size_t shown = std::min(items.size(), static_cast<std::size_t>(size));
    std::string json = R"({"items": [)";
    for (std::size_t i = 0; i < shown; ++i) {
        if (i > 0) json += ", ";
        json += write(items[i]);
    }
    json += R"(], "next": )";
    json += shown < items.size() ? json_string(cursor(items[shown - 1])) : "null";
    json += '}';
    return json;
}

} // namespace npcchat
