#include "knowledge/chunker.hpp"

#include "base/space.hpp"
#include "base/utf8.hpp"
#include "chat/tokens.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace npcchat {
namespace {

constexpr std::size_t kMaxHeading = 256; // bytes, of a chunk's whole heading

// The smallest part that is not cut any further: a sentence, a line of a fenced block, a heading.
struct Unit {
    std::size_t begin = 0; // in the text
    std::size_t end = 0;
    std::size_t quarters = 0;  // of tokens
    std::size_t section = 0;   // index of the headings that it stands under
    bool is_heading = false;   // it belongs to what follows
    bool begins_block = false; // a paragraph, an item, a section
};

struct Heading {
    std::size_t level = 0;
    std::string_view title;
};

// `## Title ##` of Markdown.
std::optional<Heading> heading_of(std::string_view line) {
    const auto begin = line.find_first_not_of(' ');
    if (begin == line.npos || begin > 3) return std::nullopt;
    const auto after = std::min(line.find_first_not_of('#', begin), line.size());
    const std::size_t level = after - begin;
    if (level < 1 || level > 6) return std::nullopt;
    if (after < line.size() && !kSpace.contains(line[after])) return std::nullopt;
    std::string_view title = trim(line.substr(after));
    if (const auto last = title.find_last_not_of('#'); last == title.npos)
        title = {};
    else if (last + 1 < title.size() && title[last] == ' ')
        title = trim(title.substr(0, last));
    return Heading{level, title};
}

bool is_fence(std::string_view line) {
    const std::string_view text = trim(line);
    return text.starts_with("```") || text.starts_with("~~~");
}

bool begins_item(std::string_view line) {
    std::string_view text = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits > 0 && digits < 4) {
        text.remove_prefix(digits);
        return text.starts_with(". ") || text.starts_with(") ");
    }
    return text.starts_with("- ") || text.starts_with("* ") || text.starts_with("+ ");
}

// Where a sentence ends that begins at `from`, the space after it included.
std::size_t sentence_end(std::string_view text, std::size_t from) {
    for (std::size_t at = from; at < text.size(); ++at) {
        const std::string_view rest = text.substr(at);
        for (const std::string_view stop : {"\u3002", "\uff01", "\uff1f"}) {
            if (rest.starts_with(stop)) return at + stop.size();
        }
        if (text[at] != '.' && text[at] != '!' && text[at] != '?') continue;
        std::size_t end = at + 1;
        while (end < text.size() && std::string_view(".!?\"')]*_").contains(text[end]))
            ++end;
        if (end == text.size() || kSpace.contains(text[end]))
            return std::min(text.find_first_not_of(kSpace, end), text.size());
    }
    return text.size();
}

class Cutter {
  public:
    Cutter(std::string_view title, std::string_view text, ChunkSizes sizes)
        : text_(text), limit_(std::max<std::size_t>(sizes.tokens, 16) * kQuartersPerToken),
          overlap_(std::min(sizes.overlap * kQuartersPerToken, limit_ / 2)) {
        title_ = std::string(trim(title).substr(0, utf8_floor(trim(title), kMaxHeading)));
        sections_.push_back(title_);
    }

    std::vector<Chunk> cut() {
        split_into_units();
        std::vector<Chunk> chunks;
        std::size_t first = 0; // new in this chunk
        std::size_t begin = 0; // of this chunk, with what it repeats
        while (first < units_.size()) {
            const std::size_t end = chunk_end(begin, first);
            const std::string_view text =
                trim(text_.substr(units_[begin].begin, units_[end - 1].end - units_[begin].begin));
            if (!text.empty()) chunks.push_back({sections_[units_[first].section], text});
            begin = next_begin(begin, end);
            first = end;
        }
        return chunks;
    }

  private:
    void split_into_units() {
        std::size_t at = 0;
        while (at < text_.size()) {
            const std::size_t end = line_end(at);
            const std::string_view line = text_.substr(at, end - at);
            if (trim(line).empty()) {
                at = end;
            } else if (is_fence(line)) {
                at = add_fenced(at);
            } else if (const auto heading = heading_of(line)) {
                enter_section(*heading);
                add_unit(at, end, true, true);
                at = end;
            } else {
                at = add_paragraph(at);
            }
        }
    }

    std::size_t line_end(std::size_t at) const {
        const auto newline = text_.find('\n', at);
        return newline == text_.npos ? text_.size() : newline + 1;
    }

    void enter_section(const Heading& heading) {
        while (!open_.empty() && open_.back().level >= heading.level)
            open_.pop_back();
        open_.push_back(heading);
        std::string path = title_;
        for (const Heading& one : open_) {
            if (one.title.empty() || one.title == path) continue;
            if (!path.empty()) path += " > ";
            path += one.title;
        }
        path.resize(utf8_floor(path, kMaxHeading));
        sections_.push_back(std::move(path));
    }

    // Line by line: what is fenced has no sentences.
    std::size_t add_fenced(std::size_t at) {
        bool first = true;
        while (at < text_.size()) {
            const std::size_t end = line_end(at);
            const bool closes = !first && is_fence(text_.substr(at, end - at));
            add_unit(at, end, first, false);
            first = false;
            at = end;
            if (closes) break;
        }
        return at;
    }

    std::size_t add_paragraph(std::size_t begin) {
        std::size_t end = line_end(begin);
        while (end < text_.size()) {
            const std::string_view line = text_.substr(end, line_end(end) - end);
            if (trim(line).empty() || is_fence(line) || heading_of(line) || begins_item(line)) break;
            end = line_end(end);
        }
        const std::string_view paragraph = text_.substr(begin, end - begin);
        for (std::size_t at = 0; at < paragraph.size();) {
            const std::size_t next = sentence_end(paragraph, at);
            add_unit(begin + at, begin + next, at == 0, false);
            at = next;
        }
        return end;
    }

    // One that is too long becomes several, cut between words where there are any.
    void add_unit(std::size_t begin, std::size_t end, bool begins_block, bool is_heading) {
        while (begin < end) {
            const std::string_view rest = text_.substr(begin, end - begin);
            std::size_t size = rest.size();
            // No token is estimated at more than 4 bytes, so that short ones need no second look.
            if (estimate_quarters(rest.substr(0, std::min(size, limit_ + 4))) > limit_) {
                size = std::max<std::size_t>(
                    bytes_within(rest.substr(0, limit_ + 4), limit_ / kQuartersPerToken), 1);
                const auto space = rest.substr(0, size).find_last_of(kSpace);
                if (space != rest.npos && space >= size / 2) size = space + 1;
            }
            units_.push_back({begin, begin + size, estimate_quarters(rest.substr(0, size)),
                              sections_.size() - 1, is_heading, begins_block});
            begins_block = false;
            begin += size;
        }
    }

    // Of the chunk that begins at `begin`, and has `first` in any case.
    std::size_t chunk_end(std::size_t begin, std::size_t first) const {
        std::size_t used = 0;
        for (std::size_t i = begin; i < first; ++i)
            used += units_[i].quarters;
        std::size_t end = first;
        std::size_t block = 0; // the last block's begin that leaves a chunk of a fair size
        while (end < units_.size() && (end == first || used + units_[end].quarters <= limit_)) {
            const Unit& unit = units_[end];
            if (end > first && unit.is_heading && !units_[end - 1].is_heading && used >= limit_ / 4)
                return end;
            if (end > first && unit.begins_block && used >= limit_ / 2) block = end;
            used += unit.quarters;
            ++end;
        }
        if (end == units_.size()) return end;
        if (block > first && !units_[end].begins_block) end = block;
        while (end > first + 1 && units_[end - 1].is_heading)
            --end;
        return end;
    }

    // Goes back over what the next chunk repeats.
    std::size_t next_begin(std::size_t begin, std::size_t end) const {
        if (end == units_.size() || units_[end].is_heading) return end;
        const std::size_t room = std::min(overlap_, limit_ - std::min(limit_, units_[end].quarters));
        std::size_t used = 0;
        std::size_t next = end;
        while (next > begin + 1 && !units_[next - 1].is_heading && used + units_[next - 1].quarters <= room) {
            --next;
            used += units_[next].quarters;
        }
        return next;
    }

    std::string_view text_;
    std::size_t limit_;   // quarters of tokens
    std::size_t overlap_; // the same
    std::string title_;
    std::vector<Heading> open_;
    std::vector<std::string> sections_;
    std::vector<Unit> units_;
};

} // namespace

std::vector<Chunk> cut_into_chunks(std::string_view title, std::string_view text, ChunkSizes sizes) {
    return Cutter(title, text, sizes).cut();
}

} // namespace npcchat
