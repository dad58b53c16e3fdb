// The file that an export writes: FILE.part until it is whole, so that one that was interrupted goes on.
#pragma once

#include "transfer/record.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

namespace npcchat {

// Where a folder is named: a file in it.
std::filesystem::path export_path(const std::string& given);

class ExportFile {
  public:
    // Makes FILE.part (mode 0600), or goes on with the one that is there: what is not whole at its end is cut
    // off. Refused where FILE is there, where another process writes, and where the part is of another store.
    static std::expected<ExportFile, std::string> open(const std::filesystem::path& file,
                                                       const std::string& store_id);

    // The last record that is whole; the header in a new file. A chat's last part stands for all of it.
    const Record& last() const { return last_; }
    bool resumed() const { return lines_ > 1; }
    // Records of the type that `One` is, in the file.
    template <class One> std::int64_t count() const { return counts_[Record(One{}).index()]; }
    std::int64_t lines() const { return lines_; }

    std::expected<void, std::string> write(const Record& record);
    // Writes the last line, waits until all is on the disk, and gives the file its name.
    std::expected<void, std::string> finish();

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    ExportFile(std::filesystem::path file, std::unique_ptr<std::FILE, Close> out)
        : file_(std::move(file)), out_(std::move(out)) {}
    std::expected<void, std::string> read_what_is_there(const std::string& store_id);
    std::expected<void, std::string> cut_after(std::int64_t offset);
    std::unexpected<std::string> failed(std::string_view what) const;

    std::filesystem::path file_;
    std::unique_ptr<std::FILE, Close> out_; // of FILE.part
    Record last_;
    std::int64_t lines_ = 0;
    std::array<std::int64_t, std::variant_size_v<Record>> counts_{};
};

} // namespace npcchat
