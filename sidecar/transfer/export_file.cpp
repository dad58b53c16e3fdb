#include "transfer/export_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace npcchat {
namespace {

namespace fs = std::filesystem;

fs::path part_of(const fs::path& file) {
    return file.string() + ".part";
}

// Whether nothing more of its chat follows.
bool is_last_part(const Record& record) {
    const auto* chat = std::get_if<ChatRecord>(&record);
    if (!chat) return true;
    const ChatPart& part = chat->part;
    return part.first - 1 + static_cast<std::int64_t>(part.history.messages.size()) == part.count;
}

} // namespace

fs::path export_path(const std::string& given) {
    const fs::path path(given);
    std::error_code ignored;
    const bool is_folder = fs::is_directory(path, ignored) || !path.has_filename();
    return is_folder ? path / "npcchat-export.jsonl" : path;
}

std::unexpected<std::string> ExportFile::failed(std::string_view what) const {
    return std::unexpected(fmt::format("{}: {}: {}", part_of(file_).string(), what, std::strerror(errno)));
}

std::expected<ExportFile, std::string> ExportFile::open(const fs::path& file, const std::string& store_id) {
    std::error_code ignored;
    if (fs::exists(file, ignored))
        return std::unexpected(file.string() + " is there already: delete it, or name another file");
    const fs::path part = part_of(file);
    // It has password hashes, keys' digests and chats: nobody else's.
    const int descriptor = ::open(part.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) return std::unexpected(fmt::format("{}: {}", part.string(), std::strerror(errno)));
    std::unique_ptr<std::FILE, Close> out(fdopen(descriptor, "r+"));
    if (fchmod(descriptor, 0600) != 0)
        return std::unexpected(fmt::format("{}: {}", part.string(), std::strerror(errno)));
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        return std::unexpected(part.string() + ": another export is writing it");
    ExportFile made(file, std::move(out));
    if (auto read = made.read_what_is_there(store_id); !read) return std::unexpected(std::move(read.error()));
    if (made.lines_ == 0) {
        const auto written = made.write(HeaderRecord{store_id, now_ms()});
        if (!written) return std::unexpected(written.error());
    }
    return made;
}

std::expected<void, std::string> ExportFile::read_what_is_there(const std::string& store_id) {
    std::ifstream in(part_of(file_), std::ios::binary);
    std::int64_t offset = 0;
    std::int64_t whole = 0; // bytes of what is whole
    std::int64_t lines_of_chat = 0;
    for (std::string line; std::getline(in, line) && !in.eof();) {
        auto record = parse_record(line);
        if (!record) break;
        const auto* header = std::get_if<HeaderRecord>(&*record);
        if ((offset == 0) != (header != nullptr) || (header && header->store != store_id)) {
            return std::unexpected(part_of(file_).string() +
                                   " is of another store: delete it, or name another file");
        }
        offset += static_cast<std::int64_t>(line.size()) + 1;
        ++lines_of_chat;
        if (!is_last_part(*record)) continue;
        whole = offset;
        lines_ += std::exchange(lines_of_chat, 0);
        ++counts_[record->index()];
        last_ = std::move(*record);
    }
    return cut_after(whole);
}

std::expected<void, std::string> ExportFile::cut_after(std::int64_t offset) {
    if (ftruncate(fileno(out_.get()), offset) != 0 || fseeko(out_.get(), offset, SEEK_SET) != 0)
        return failed("cutting off what is not whole");
    return {};
}

std::expected<void, std::string> ExportFile::write(const Record& record) {
    const std::string line = to_line(record);
    if (std::fwrite(line.data(), 1, line.size(), out_.get()) != line.size()) return failed("writing");
    ++lines_;
    return {};
}

std::expected<void, std::string> ExportFile::finish() {
    if (auto written = write(EndRecord{lines_ + 1}); !written) return written;
    if (std::fflush(out_.get()) != 0 || fsync(fileno(out_.get())) != 0) return failed("writing");
    if (std::rename(part_of(file_).c_str(), file_.c_str()) != 0) return failed("renaming");
    return {};
}

} // namespace npcchat
