// See owner_record.h.
#include "fuse-overlay/store/owner_record.h"

#include <errno.h>

#include <charconv>

#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::size_t kLongestRecord = 128, kLongestLine = 256;
constexpr std::uint64_t kMostLines = 4'000'000;

struct TypeName {
  std::uint32_t type;
  std::string_view name;
};
constexpr TypeName kTypes[] = {
    {S_IFREG, "file"}, {S_IFDIR, "dir"}, {S_IFLNK, "symlink"}, {S_IFIFO, "pipe"}, {S_IFSOCK, "socket"}};
constexpr TypeName kDevices[] = {{S_IFCHR, "char"}, {S_IFBLK, "block"}};

/// Takes the text before `end` off `rest`; all of it when there is no such character.
std::string_view take(std::string_view& rest, char end) {
  const auto at = rest.find(end);
  const std::string_view word = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return word;
}

template <class Number>
bool read_number(std::string_view word, Number& number, int base = 10) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number, base);
  return !word.empty() && error == std::errc{} && end == word.data() + word.size();
}

bool read_type(std::string_view text, OwnerRecord& record) {
  for (const auto& [type, name] : kTypes) {
    if (text == name) record.mode |= type;
  }
  for (const auto& [type, name] : kDevices) {
    if (!text.starts_with(name) || !text.substr(name.size()).starts_with('-')) continue;
    std::string_view numbers = text.substr(name.size() + 1);
    record.mode |= type;
    const std::string_view major = take(numbers, '-');
    return read_number(major, record.major) && read_number(numbers, record.minor);
  }
  return (record.mode & S_IFMT) != 0;
}

std::string type_text(const OwnerRecord& record) {
  for (const auto& [type, name] : kTypes) {
    if ((record.mode & S_IFMT) == type) return std::string(name);
  }
  for (const auto& [type, name] : kDevices) {
    if ((record.mode & S_IFMT) == type) return fmt::format("{}-{}-{}", name, record.major, record.minor);
  }
  return {};
}

/// A variable-length number of protocol buffers; takes it off `rest`.
bool take_varint(std::string_view& rest, std::uint64_t& number) {
  number = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    number |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

/// Takes the value of a field off, by its wire type (protobuf.dev, "Encoding"); of those that are no number it is 0.
bool take_field(std::string_view& rest, unsigned type, std::uint64_t& number) {
  if (type == 0) return take_varint(rest, number);
  std::uint64_t size = type == 1 ? 8 : 4;
  if (type != 1 && type != 2 && type != 5) return false;
  if (type == 2 && !take_varint(rest, size)) return false;
  if (size > rest.size()) return false;
  rest.remove_prefix(size);
  number = 0;
  return true;
}

Fd open_if_there(const std::string& path) {
  auto file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW);
  if (!file && file.error().value == ENOENT) return {};
  return std::move(file) | or_throw("opening '{}'", path);
}

}  // namespace

std::string format_owner_record(const OwnerRecord& record) {
  const std::string type = type_text(record);
  const std::string text = fmt::format("{}:{}:0{:o}", record.uid, record.gid, record.mode & 07777);
  return type.empty() ? text : fmt::format("{}:{}", text, type);
}

std::optional<OwnerRecord> parse_owner_record(std::string_view text) {
  OwnerRecord record;
  std::string_view rest = text;
  if (!read_number(take(rest, ':'), record.uid) || !read_number(take(rest, ':'), record.gid)) return {};
  if (!read_number(take(rest, ':'), record.mode, 8) || record.mode > (S_IFMT | 07777)) return {};
  if (rest.empty()) return record;
  record.mode &= 07777;
  if (!read_type(rest, record)) return {};
  return record;
}

std::optional<RootlessOwner> parse_rootless_owner(std::string_view bytes) {
  RootlessOwner owner;
  while (!bytes.empty()) {
    std::uint64_t tag = 0, number = 0;
    if (!take_varint(bytes, tag) || tag >> 3 == 0 || !take_field(bytes, tag & 7, number)) return {};
    const bool is_owner = tag >> 3 <= 2;
    if (is_owner && ((tag & 7) != 0 || number > UINT32_MAX)) return {};
    if (is_owner) (tag >> 3 == 1 ? owner.uid : owner.gid) = static_cast<std::uint32_t>(number);
  }
  return owner;
}

std::optional<RootlessOwner> rootless_attribute(const char* path) {
  char bytes[kLongestRecord];
  const auto size = sys::getxattr(path, kRootlessAttribute, bytes, sizeof bytes, true);
  return size ? parse_rootless_owner({bytes, *size}) : std::nullopt;
}

Result<std::optional<OwnerRecord>> owner_attribute(const char* path) {
  char text[kLongestRecord];
  const auto size = sys::getxattr(path, kOwnerAttribute, text, sizeof text, true);
  if (size) return parse_owner_record({text, *size});
  if (size.error().value != EOPNOTSUPP) return std::optional<OwnerRecord>();
  return std::unexpected(size.error());
}

OwnerFile::OwnerFile(int fd) : fd_(fd) {
  if (fd < 0) return;
  std::string text;
  char buffer[16384];
  off_t offset = 0;
  for (;;) {
    const std::size_t count = sys::pread(fd, buffer, sizeof buffer, offset) | or_throw("reading recorded owners");
    if (count == 0) return;  // a last line without its end was being written when its writer was killed
    offset += static_cast<off_t>(count);
    text.append(buffer, count);
    std::string_view rest = text;
    for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) read_line(take(rest, '\n'));
    text = rest.size() <= kLongestLine ? std::string(rest) : std::string();
  }
}

OwnerFile::Key OwnerFile::key_of(const struct statx& status) {
  const bool has_birth = (status.stx_mask & STATX_BTIME) != 0;
  return {status.stx_ino, has_birth ? status.stx_btime.tv_sec * 1'000'000'000 + status.stx_btime.tv_nsec : 0};
}

void OwnerFile::read_line(std::string_view line) {
  ++lines_;
  Key key;
  if (!read_number(take(line, ' '), key.inode) || !read_number(take(line, ' '), key.birth)) return;
  if (const auto record = parse_owner_record(line)) records_[key] = *record;
}

std::optional<OwnerRecord> OwnerFile::find(const struct statx& status) const {
  const auto found = records_.find(key_of(status));
  return found == records_.end() ? std::nullopt : std::optional(found->second);
}

void OwnerFile::record(const struct statx& status, const OwnerRecord& record) {
  const Key key = key_of(status);
  if (const auto known = find(status); known == record) return;
  if (lines_ >= kMostLines) throw SysError(Errno{ENOSPC}, "recording an owner");
  const std::string line = fmt::format("{} {} {}\n", key.inode, key.birth, format_owner_record(record));
  sys::write_all(fd_, line.data(), line.size()) | or_throw("recording an owner");
  ++lines_;
  records_[key] = record;
}

RecordedOwners::RecordedOwners(const std::string& upper)
    : fd_(open_if_there(upper.substr(0, upper.rfind('/') + 1) + kOwnerFile)), file_(fd_.get()) {}

std::optional<OwnerRecord> RecordedOwners::find(int directory, const char* name) const {
  // Only by the descriptor can nothing else have come to its place between the look at it and at its attribute.
  auto opened = *name == '\0' ? sys::dup(directory) : sys::openat(directory, name, O_PATH | O_NOFOLLOW);
  const Fd object = std::move(opened) | or_throw("opening '{}' of a layer", name);
  const struct statx status = sys::statx(object.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME) |
                              or_throw("reading '{}' of a layer", name);
  if (!S_ISREG(status.stx_mode) && !S_ISDIR(status.stx_mode)) return file_.find(status);
  const auto record = owner_attribute(fmt::format("/proc/self/fd/{}", object.get()).c_str());
  return record ? *record : file_.find(status);
}

}  // namespace sandbox::overlay
