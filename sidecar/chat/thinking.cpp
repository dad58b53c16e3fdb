#include "chat/thinking.hpp"

#include "base/space.hpp"
#include "base/utf8.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace npcchat {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"scratchpad", "think",     "thinking",
                                                    "reason",     "reasoning", "thought"};

// White space and the `/` between `<` and the name: more is text.
constexpr std::size_t kMaxTagLead = 16;

// A block this deep never closes: it keeps the stack bounded and errs on the side of hiding.
constexpr std::size_t kMaxDepth = 256;

bool is_space(char c) {
    return kSpace.find(c) != std::string_view::npos;
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// `name` is lower case and at least as long as `text`.
bool begins_with_folded(std::string_view name, std::string_view text) {
    return std::equal(text.begin(), text.end(), name.begin(),
                      [](char t, char n) { return to_lower(t) == n; });
}

std::optional<std::uint8_t> name_index(std::string_view word) {
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (word.size() == kNames[i].size() && begins_with_folded(kNames[i], word)) {
            return static_cast<std::uint8_t>(i);
        }
    }
    return std::nullopt;
}

bool can_become_name(std::string_view word) {
    return std::any_of(kNames.begin(), kNames.end(), [word](std::string_view name) {
        return word.size() < name.size() && begins_with_folded(name, word);
    });
}

// Position of the name's first byte; closing is set at a `/`. text.size() where the text ends before a name.
std::optional<std::size_t> skip_lead(std::string_view text, bool& closing) {
    std::size_t at = 1;
    for (; at < text.size() && (is_space(text[at]) || (text[at] == '/' && !closing)); ++at) {
        if (at > kMaxTagLead) return std::nullopt;
        closing = closing || text[at] == '/';
    }
    return at;
}

// The tag up to the end of its name: Truncated stands for a name that is there, whatever comes after it.
TagMatch match_name(std::string_view text) {
    TagMatch match;
    bool closing = false;
    const auto begin = skip_lead(text, closing);
    if (!begin) return match;
    std::size_t end = *begin;
    while (end < text.size() && is_letter(text[end]))
        ++end;

    const std::string_view word = text.substr(*begin, end - *begin);
    const bool at_end = end == text.size();
    const auto name = name_index(word);
    if (name && (at_end || text[end] == '>' || text[end] == '/' || is_space(text[end]))) {
        match.state = TagMatch::State::Truncated;
        match.kind = closing ? TagMatch::Kind::Close : TagMatch::Kind::Open;
        match.name = *name;
        match.name_end = end;
    } else if (at_end && can_become_name(word)) {
        match.state = TagMatch::State::Begun;
    }
    return match;
}

} // namespace

TagMatch match_tag(std::string_view text) {
    TagMatch match = match_name(text);
    if (match.state != TagMatch::State::Truncated) return match;

    const std::string_view rest = text.substr(match.name_end, kMaxTagAttributes + 1);
    const std::size_t stop = rest.find_first_of("<>");
    if (stop == std::string_view::npos) {
        if (rest.size() > kMaxTagAttributes) match.state = TagMatch::State::Text;
        return match;
    }
    if (rest[stop] == '<') {
        match.state = TagMatch::State::Text;
        return match;
    }
    match.state = TagMatch::State::Whole;
    match.size = match.name_end + stop + 1;
    const bool empty = trim(rest.substr(0, stop)).ends_with('/');
    if (empty && match.kind == TagMatch::Kind::Open) match.kind = TagMatch::Kind::Empty;
    return match;
}

bool names_a_tag(std::string_view text) {
    return match_name(text).state == TagMatch::State::Truncated;
}

std::string ThinkingFilter::feed(std::string_view chunk) {
    std::string out;
    if (held_.empty()) {
        scan(chunk, out);
    } else {
        std::string text = std::exchange(held_, {});
        text.append(chunk);
        scan(text, out);
    }
    return out;
}

std::string ThinkingFilter::finish() {
    std::string out;
    const std::string held = std::exchange(held_, {});
    if (!held.empty()) {
        const TagMatch match = match_tag(held);
        const bool cut = match.state == TagMatch::State::Truncated;
        const bool stray = cut && open_.empty() && match.kind == TagMatch::Kind::Close;
        if (stray && rule_ == ThinkingRule::Everywhere) return out;
        if (cut && !stray) {
            if (open_.empty()) hide("\n");
            hide(held);
        } else {
            put(held, out);
        }
    }
    return out;
}

std::string ThinkingFilter::take_hidden() {
    const std::string hidden = std::exchange(hidden_, {});
    return std::string(trim(std::string_view(hidden).substr(0, utf8_floor(hidden, kMaxHidden))));
}

// Every byte goes to put() or take_tag() at once, but for a possible tag at the end of the text.
void ThinkingFilter::scan(std::string_view text, std::string& out) {
    while (!text.empty()) {
        if (only_text_follows()) return show(text, out);
        const std::size_t plain = std::min(text.find('<'), text.size());
        put(text.substr(0, plain), out);
        text.remove_prefix(plain);
        if (text.empty() || only_text_follows()) continue;

        const TagMatch match = match_tag(text);
        const bool stray = match.kind == TagMatch::Kind::Close && open_.empty();
        if (match.state == TagMatch::State::Begun || match.state == TagMatch::State::Truncated) {
            held_ = text;
            return;
        }
        if (match.state == TagMatch::State::Text || (stray && rule_ == ThinkingRule::OpeningOnly)) {
            put(text.substr(0, 1), out);
            text.remove_prefix(1);
        } else {
            take_tag(match, text.substr(0, match.size));
            text.remove_prefix(match.size);
        }
    }
}

void ThinkingFilter::take_tag(const TagMatch& tag, std::string_view text) {
    switch (tag.kind) {
    case TagMatch::Kind::Open:
        open_block(tag.name, text);
        break;
    case TagMatch::Kind::Close:
        close_block(tag.name, text);
        break;
    case TagMatch::Kind::Empty:
        if (!open_.empty()) hide(text);
        break;
    }
    if (rule_ == ThinkingRule::OpeningOnly) past_opening_ = true;
}

void ThinkingFilter::open_block(std::uint8_t name, std::string_view tag) {
    hide(open_.empty() ? std::string_view("\n") : tag);
    if (open_.size() < kMaxDepth) open_.push_back(name);
}

void ThinkingFilter::close_block(std::uint8_t name, std::string_view tag) {
    const auto match = std::find(open_.rbegin(), open_.rend(), name);
    if (match != open_.rend() && open_.size() < kMaxDepth) open_.erase(match.base() - 1, open_.end());
    if (!open_.empty()) hide(tag);
}

void ThinkingFilter::put(std::string_view text, std::string& out) {
    if (open_.empty()) {
        show(text, out);
    } else {
        hide(text);
    }
}

void ThinkingFilter::show(std::string_view text, std::string& out) {
    if (!shown_any_) text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    if (text.empty()) return;
    const std::size_t last = text.find_last_not_of(kSpace);
    if (last == std::string_view::npos) {
        space_.append(text);
        return;
    }
    out.append(space_).append(text.substr(0, last + 1));
    space_.assign(text.substr(last + 1));
    shown_any_ = true;
    if (rule_ == ThinkingRule::OpeningOnly) past_opening_ = true;
}

// Keeps a few bytes over the bound, so that take_hidden() sees whether a character crosses it.
void ThinkingFilter::hide(std::string_view text) {
    constexpr std::size_t kept = kMaxHidden + 4;
    hidden_.append(text.substr(0, kept - std::min(kept, hidden_.size())));
}

Thought cut_thinking(std::string_view reply, ThinkingRule rule) {
    ThinkingFilter filter(rule);
    Thought thought;
    thought.shown = filter.feed(reply);
    thought.shown += filter.finish();
    thought.hidden = filter.take_hidden();
    return thought;
}

} // namespace npcchat
