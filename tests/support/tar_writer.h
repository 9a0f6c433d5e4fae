// Tar archives by hand, so that tests can say what no honest archiver writes: ustar headers with any
// name, type and owner, and pax records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sandbox::testing {

struct TarEntry {
  std::string name;
  char type = '0';  ///< '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory, '6' fifo.
  std::string content, link;
  std::uint32_t mode = 0644;
  std::uint64_t uid = 0, gid = 0;
  std::int64_t mtime = 1'000'000'000;
  unsigned major = 0, minor = 0;
  std::vector<std::pair<std::string, std::string>> pax = {};
};

class TarWriter {
 public:
  TarWriter& add(const TarEntry& entry) {
    std::string records;
    for (const auto& [key, value] : entry.pax) records += pax_record(key, value);
    if (entry.name.size() > 100) records += pax_record("path", entry.name);
    if (entry.link.size() > 100) records += pax_record("linkpath", entry.link);
    if (entry.uid > 07777777) records += pax_record("uid", std::to_string(entry.uid));
    if (entry.gid > 07777777) records += pax_record("gid", std::to_string(entry.gid));
    if (!records.empty()) put({.name = "pax", .type = 'x', .content = records});
    put(entry);
    return *this;
  }
  TarWriter& file(const std::string& name, const std::string& content) { return add({.name = name, .content = content}); }
  TarWriter& directory(const std::string& name) { return add({.name = name, .type = '5', .mode = 0755}); }
  TarWriter& symlink(const std::string& name, const std::string& target) {
    return add({.name = name, .type = '2', .link = target, .mode = 0777});
  }
  TarWriter& hard_link(const std::string& name, const std::string& target) {
    return add({.name = name, .type = '1', .link = target});
  }

  /// The archive with its two closing blocks of zeros.
  std::string finish() const { return data_ + std::string(1024, '\0'); }

 private:
  static std::string pax_record(const std::string& key, const std::string& value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
    return fmt::format("{} {}={}\n", length, key, value);
  }

  void put(const TarEntry& entry) {
    std::array<char, 512> header{};
    const auto text = [&](std::size_t at, std::size_t size, std::string_view value) {
      std::memcpy(header.data() + at, value.data(), std::min(size, value.size()));
    };
    text(0, 100, entry.name);
    text(100, 8, fmt::format("{:07o}", entry.mode));
    text(108, 8, fmt::format("{:07o}", entry.uid & 07777777));
    text(116, 8, fmt::format("{:07o}", entry.gid & 07777777));
    text(124, 12, fmt::format("{:011o}", entry.content.size()));
    text(136, 12, fmt::format("{:011o}", entry.mtime));
    header[156] = entry.type;
    text(157, 100, entry.link);
    text(257, 8, std::string_view("ustar\00000", 8));
    text(329, 8, fmt::format("{:07o}", entry.major));
    text(337, 8, fmt::format("{:07o}", entry.minor));
    text(148, 8, "        ");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    text(148, 7, fmt::format("{:06o}", sum) + '\0');
    data_.append(header.data(), header.size());
    data_ += entry.content;
    data_.append((512 - entry.content.size() % 512) % 512, '\0');
  }

  std::string data_;
};

}  // namespace sandbox::testing
