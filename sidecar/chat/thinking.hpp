// Cuts a model's hidden thinking out of its replies, whole or as they stream in.
//
// A tag is `<`, an optional `/`, one of the six names (scratchpad, think, thinking, reason, reasoning,
// thought; any case), then optional attributes and `>`. White space may stand around the `/` and after the
// name. A tag has no second `<` in it, and its attributes are bounded; what breaks this is text. Attribute
// values are not parsed: the first `>` ends the tag.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// Bytes between a tag's name and its `>`; with more it is text.
inline constexpr std::size_t kMaxTagAttributes = 128;

// Bytes of hidden text that are kept for one reply; what is over is cut all the same, but not kept.
inline constexpr std::size_t kMaxHidden = 256 * 1024;

// What stands at a `<`.
struct TagMatch {
    enum class State : std::uint8_t {
        Text,      // no tag, whatever follows
        Begun,     // the text ends before the name is whole: it can still become a tag
        Truncated, // the name is whole, but the text ends before `>`
        Whole,
    };
    enum class Kind : std::uint8_t { Open, Close, Empty }; // <think>, </think>, <think/>

    State state = State::Text;
    Kind kind = Kind::Open;   // Empty is known only when Whole
    std::uint8_t name = 0;    // which of the six names, when Truncated or Whole
    std::size_t name_end = 0; // bytes from `<` to the end of the name, when Truncated or Whole
    std::size_t size = 0;     // bytes from `<` to `>` inclusive, when Whole
};

// `text` begins with `<`.
TagMatch match_tag(std::string_view text);

// True where a tag's name follows the `<` at the start of `text`, whether or not the tag is ever closed by
// `>`.
bool names_a_tag(std::string_view text);

enum class ThinkingRule : std::uint8_t {
    Everywhere,  // NPCs: every block, and stray closing tags
    OpeningOnly, // /chat/: one block that opens the reply, after optional white space; other tags are text
};

// Feed a reply in pieces of any size. The pieces returned by feed() and finish() together are the reply
// without its blocks, trimmed of ASCII white space at both ends, and the same for every way of splitting it.
// Text is held back only while it may be the start of a tag, or white space at the end of the reply.
//
// Blocks nest: a closing tag closes down to the opening tag of its name; one that matches none is cut with
// the block. An unclosed block runs to the end of the reply, as does a tag that the end of the reply
// truncates.
class ThinkingFilter {
  public:
    explicit ThinkingFilter(ThinkingRule rule) : rule_(rule) {}

    // What can be shown now.
    std::string feed(std::string_view chunk);

    // What was held back and turned out to be text. Nothing may be fed after it.
    std::string finish();

    // What was cut, without the outermost tags, blocks parted by newlines, trimmed, at most kMaxHidden bytes.
    // Call it after finish().
    std::string take_hidden();

  private:
    void scan(std::string_view text, std::string& out);
    void take_tag(const TagMatch& tag, std::string_view text);
    void open_block(std::uint8_t name, std::string_view tag);
    void close_block(std::uint8_t name, std::string_view tag);
    void put(std::string_view text, std::string& out);
    void show(std::string_view text, std::string& out);
    void hide(std::string_view text);
    bool only_text_follows() const { return past_opening_ && open_.empty(); }

    ThinkingRule rule_;
    bool past_opening_ = false;      // OpeningOnly: no block can begin any more
    bool shown_any_ = false;         // text was shown: white space before it is no longer leading
    std::vector<std::uint8_t> open_; // names of the open blocks, outermost first
    std::string held_;               // begins with the `<` of what may be a tag, else empty
    std::string space_;              // white space that is shown only if text follows
    std::string hidden_;
};

struct Thought {
    std::string shown; // may be empty: nothing but thinking
    std::string hidden;
};

// ThinkingFilter for a whole reply.
Thought cut_thinking(std::string_view reply, ThinkingRule rule);

} // namespace npcchat
