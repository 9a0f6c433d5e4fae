// See archive_writer.h.
#include "fuse-overlay/store/archive_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameField = 100;
constexpr std::uint64_t kMostOctal7 = 07777777;          // uid, gid and device numbers
constexpr std::uint64_t kMostOctal11 = 077777777777ULL;  // size and mtime
constexpr std::uint64_t kWorthwhileHoles = 64U << 10;    // below, a plain entry is read by more programs

std::uint64_t padding(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

/// "<length> <key>=<value>\n", where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (fmt::formatted_size("{}", length) + rest != length) length = fmt::formatted_size("{}", length) + rest;
  return fmt::format("{} {}={}\n", length, key, value);
}

bool fits_header(const timespec& time) {
  return time.tv_nsec == 0 && time.tv_sec >= 0 && static_cast<std::uint64_t>(time.tv_sec) <= kMostOctal11;
}

/// Seconds with a decimal fraction; before 1970 the whole number is negative, as pax has it.
std::string pax_time(const timespec& time) {
  if (time.tv_nsec == 0) return fmt::format("{}", time.tv_sec);
  const bool negative = time.tv_sec < 0;
  const long seconds = negative ? -(time.tv_sec + 1) : time.tv_sec;
  const long fraction = negative ? 1'000'000'000 - time.tv_nsec : time.tv_nsec;
  std::string text = fmt::format("{}{}.{:09}", negative ? "-" : "", seconds, fraction);
  while (text.ends_with('0')) text.pop_back();
  return text;
}

std::string records_of(const ArchiveEntry& entry, const std::string& path, std::uint64_t size) {
  std::string records;
  const auto add = [&](std::string_view key, std::string_view value) { records += pax_record(key, value); };
  if (path.size() > kNameField) add("path", path);
  if (entry.link.size() > kNameField) add("linkpath", entry.link);
  if (entry.uid > kMostOctal7) add("uid", fmt::format("{}", entry.uid));
  if (entry.gid > kMostOctal7) add("gid", fmt::format("{}", entry.gid));
  if (size > kMostOctal11) add("size", fmt::format("{}", size));
  if (!fits_header(entry.mtime)) add("mtime", pax_time(entry.mtime));
  for (const auto& [name, value] : entry.xattrs) add("SCHILY.xattr." + name, value);
  return records;
}

/// Where the file has data. A file system that doesn't know holes says that all of it is.
std::vector<Extent> extents_of(int file, std::uint64_t size) {
  std::vector<Extent> extents;
  for (off_t at = 0; static_cast<std::uint64_t>(at) < size;) {
    const auto data = sys::lseek(file, at, SEEK_DATA);
    if (!data && data.error().value == ENXIO) break;  // a hole to the end
    const auto hole = data ? sys::lseek(file, *data, SEEK_HOLE) : data;
    if (!hole) return {{0, size}};
    const auto end = std::min(static_cast<std::uint64_t>(*hole), size);
    if (static_cast<std::uint64_t>(*data) < end)
      extents.push_back({static_cast<std::uint64_t>(*data), end - static_cast<std::uint64_t>(*data)});
    at = *hole;
  }
  return extents;
}

std::uint64_t bytes_in(const std::vector<Extent>& extents) {
  std::uint64_t sum = 0;
  for (const Extent& extent : extents) sum += extent.size;
  return sum;
}

}  // namespace

void ArchiveWriter::put_header(const ArchiveEntry& entry, const std::string& path, std::uint64_t size) {
  std::array<char, kBlock> header{};
  const auto text = [&](std::size_t at, std::size_t length, std::string_view value) {
    std::memcpy(header.data() + at, value.data(), std::min(length, value.size()));
  };
  const auto octal = [&](std::size_t at, std::size_t digits, std::uint64_t value) {
    for (std::size_t i = digits; i > 0; value >>= 3U) header[at + --i] = static_cast<char>('0' + (value & 7U));
  };
  text(0, kNameField, path);
  octal(100, 7, entry.mode & 07777U);
  octal(108, 7, entry.uid > kMostOctal7 ? 0 : entry.uid);
  octal(116, 7, entry.gid > kMostOctal7 ? 0 : entry.gid);
  octal(124, 11, size > kMostOctal11 ? 0 : size);
  octal(136, 11, entry.mtime.tv_sec < 0 ? 0 : std::min(static_cast<std::uint64_t>(entry.mtime.tv_sec), kMostOctal11));
  header[156] = entry.type;
  text(157, kNameField, entry.link);
  text(257, 8, std::string_view("ustar\00000", 8));
  if (entry.type == '3' || entry.type == '4') {
    octal(329, 7, entry.major);
    octal(337, 7, entry.minor);
  }
  text(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  octal(148, 6, sum);
  header[154] = '\0';
  sink_.write(header.data(), header.size());
}

void ArchiveWriter::put(const ArchiveEntry& entry, std::uint64_t size, const Sparse* sparse) {
  std::string path = entry.type == '5' ? (entry.path.empty() ? "./" : entry.path + "/") : entry.path;
  std::string records;
  if (sparse != nullptr) {
    // GNU tar's format 1.0, "Storing Sparse Files" in its manual.
    records = pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
              pax_record("GNU.sparse.name", path) +
              pax_record("GNU.sparse.realsize", fmt::format("{}", sparse->real_size));
    path = "GNUSparseFile.0/" + std::string(leaf_of(path)).substr(0, kNameField - 16);
  }
  records += records_of(entry, path, size);
  if (!records.empty()) {
    const std::string name = "PaxHeaders.0/" + std::string(leaf_of(entry.path)).substr(0, kNameField - 13);
    put_header({.path = {}, .type = 'x', .link = {}, .mode = 0644, .xattrs = {}}, name, records.size());
    sink_.write(records.data(), records.size());
    sink_.fill(padding(records.size()));
  }
  put_header(entry, path, size);
  ++entries_;
}

void ArchiveWriter::add(const ArchiveEntry& entry) { put(entry, 0, nullptr); }

void ArchiveWriter::add_file(const ArchiveEntry& entry, int file, std::uint64_t size) {
  std::vector<Extent> extents = size < kWorthwhileHoles ? std::vector<Extent>{{0, size}} : extents_of(file, size);
  const std::uint64_t data = bytes_in(extents);
  if (size - data < kWorthwhileHoles) {
    put(entry, size, nullptr);
    copy(file, {0, size}, entry.path);
    sink_.fill(padding(size));
    return;
  }
  // As GNU tar does: it takes the end of the last extent for the size.
  if (extents.empty() || extents.back().offset + extents.back().size < size) extents.push_back({size, 0});
  Sparse sparse{size, fmt::format("{}\n", extents.size())};
  for (const Extent& extent : extents) sparse.map += fmt::format("{}\n{}\n", extent.offset, extent.size);
  sparse.map.append(padding(sparse.map.size()), '\0');
  put(entry, sparse.map.size() + data, &sparse);
  sink_.write(sparse.map.data(), sparse.map.size());
  for (const Extent& extent : extents) copy(file, extent, entry.path);
  sink_.fill(padding(data));
}

void ArchiveWriter::copy(int file, const Extent& extent, const std::string& path) {
  buffer_.resize(256U << 10);
  for (std::uint64_t done = 0; done < extent.size;) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer_.size(), extent.size - done);
    const std::size_t count = sys::pread(file, buffer_.data(), wanted, static_cast<off_t>(extent.offset + done)) |
                              or_throw("reading '{}' of a layer", printable(path));
    if (count == 0) {
      throw Conflict(fmt::format("'{}' has become shorter while it was read", printable(path)),
                     "stop or pause the container meanwhile");
    }
    sink_.write(buffer_.data(), count);
    done += count;
  }
  bytes_ += extent.size;
}

void ArchiveWriter::finish() { sink_.fill(2 * kBlock); }

}  // namespace sandbox::overlay
