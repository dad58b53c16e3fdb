#include "chat/harmless.hpp"

#include "chat/thinking.hpp"

#include <algorithm>

namespace npcchat {
namespace {

constexpr std::string_view kHeading = "###";
constexpr std::string_view kLeftMark = "\u2039";
constexpr std::string_view kRightMark = "\u203A";

// A name after `<` is enough for the left bracket, closed or not: what breaks the tag now (a second `<`) may
// be about to become a mark itself.
std::string without_tags(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 16);
    while (!text.empty()) {
        const std::size_t plain = std::min(text.find('<'), text.size());
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;

        if (!names_a_tag(text)) {
            out.push_back('<');
            text.remove_prefix(1);
            continue;
        }
        const TagMatch tag = match_tag(text);
        const bool whole = tag.state == TagMatch::State::Whole;
        const std::size_t inner_end = whole ? tag.size - 1 : 1;
        out.append(kLeftMark).append(text.substr(1, inner_end - 1));
        if (whole) out.append(kRightMark);
        text.remove_prefix(whole ? tag.size : 1);
    }
    return out;
}

bool ends_a_line(std::string_view before) {
    return before.empty() || std::string_view("\n\r\v\f").find(before.back()) != std::string_view::npos ||
           before.ends_with("\u0085") || before.ends_with("\u2028") || before.ends_with("\u2029");
}

bool is_line_start(std::string_view text, std::size_t at) {
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t'))
        --at;
    return ends_a_line(text.substr(0, at));
}

std::string without_headings(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 16);
    std::size_t done = 0;
    for (std::size_t at = text.find(kHeading); at != std::string_view::npos; at = text.find(kHeading, done)) {
        out.append(text.substr(done, at - done));
        if (is_line_start(text, at)) out.push_back('\\');
        const std::size_t end = std::min(text.find_first_not_of('#', at), text.size());
        out.append(text.substr(at, end - at));
        done = end;
    }
    out.append(text.substr(done));
    return out;
}

} // namespace

std::string harmless(std::string_view text) {
    const bool may_have_tags = text.find('<') != std::string_view::npos;
    const bool may_have_headings = text.find(kHeading) != std::string_view::npos;
    if (!may_have_tags && !may_have_headings) return std::string(text);
    if (!may_have_tags) return without_headings(text);
    std::string out = without_tags(text);
    return may_have_headings ? without_headings(out) : out;
}

} // namespace npcchat
