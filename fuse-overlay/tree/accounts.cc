// What objects of the upper layer take on the disk, for its quota. Without one nothing here asks the disk.
#include <errno.h>

#include <set>

#include "fuse-overlay/tree/directory_stream.h"
#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr off_t kBlock = 4096;

off_t block_begin(off_t offset) { return offset / kBlock * kBlock; }
off_t block_end(off_t offset) { return (offset + kBlock - 1) / kBlock * kBlock; }

/// Calls `visit(begin, end)` for the parts of a range, in whole blocks, that the file has no blocks for, until it
/// returns false.
template <class Visit>
void each_hole(int file, off_t begin, off_t end, Visit visit) {
  const struct stat status = check(sys::fstat(file));
  const bool is_full = disk_size(status) >= block_end(status.st_size);
  for (off_t at = block_begin(begin); at < end;) {
    const auto hole = is_full && at < status.st_size ? Result<off_t>(status.st_size) : sys::lseek(file, at, SEEK_HOLE);
    const off_t from = hole ? std::max(at, block_begin(*hole + (*hole == status.st_size ? kBlock - 1 : 0))) : at;
    if (from >= end) return;
    const auto data = sys::lseek(file, from, SEEK_DATA);
    const off_t to = std::min(block_end(end), data ? block_begin(*data) : block_end(end));
    if (to > from && !visit(from, to)) return;
    at = std::max(to, from + kBlock);
  }
}

std::uint64_t holes_in(int file, off_t begin, off_t end) {
  off_t sum = 0;
  each_hole(file, begin, end, [&sum](off_t from, off_t to) { return sum += to - from, true; });
  return static_cast<std::uint64_t>(sum);
}

/// Where a write that begins at `begin` has to end when it may take so many bytes more of the disk.
off_t end_with_room(int file, off_t begin, off_t end, std::uint64_t room) {
  auto left = static_cast<off_t>(room);
  off_t reached = end;
  each_hole(file, begin, end, [&](off_t from, off_t to) {
    if (to - from <= left) return left -= to - from, true;
    reached = std::max(begin, from + block_begin(left));
    return false;
  });
  return std::min(end, reached);
}

}  // namespace

Quota::Reservation Overlay::reserve_object(std::uint64_t bytes) {
  if (!quota_.is_limited()) return {quota_, 0, false};
  return quota_.reserve(bytes + kBlock, bytes + kBlock, true);
}

Quota::Reservation Overlay::reserve_range(int file, off_t offset, std::size_t& size, bool partly) {
  if (!quota_.is_limited()) return {quota_, 0, false};
  const off_t end = offset + static_cast<off_t>(size);
  const auto whole = static_cast<std::uint64_t>(block_end(end) - block_begin(offset));
  try {
    return quota_.reserve(whole, whole, false);
  } catch (const Failure&) {  // some of that may be there already
  }
  const std::uint64_t needed = holes_in(file, offset, end);
  auto reserved = quota_.reserve(partly ? 0 : needed, needed, false);
  size = static_cast<std::size_t>(end_with_room(file, offset, end, reserved.bytes()) - offset);
  if (size == 0) throw Failure{ENOSPC};
  return reserved;
}

void Overlay::know_size(Node& node, const struct stat& before) {
  auto unknown = Node::kUncounted;
  node.counted.compare_exchange_strong(unknown, disk_size(before));
}

void Overlay::count_size(Node& node, const struct stat& now) {
  const std::int64_t size = disk_size(now);
  quota_.count(size - node.counted.exchange(size));
}

void Overlay::count_new(Node& node, const struct stat& status) {
  if (!quota_.is_limited()) return;
  node.counted = disk_size(status);
  quota_.count_object(disk_size(status));
  if (status.st_nlink == 0) note_nameless(node, true);
}

void Overlay::note_nameless(Node& node, bool is_nameless) {
  if (!quota_.is_limited() || std::exchange(node.nameless, is_nameless) == is_nameless) return;
  quota_.note_nameless(is_nameless ? 1 : -1);
}

/// Under the table's lock.
void Overlay::forget_size(const Node& node) {
  if (!in_upper(node) || !node.is_removed()) return;
  const auto status = sys::fstat(node.pinned.get());
  if (!status || (node.is_directory() ? status->st_nlink > 1 : status->st_nlink > 0)) return;
  const std::int64_t counted = node.counted;
  quota_.free(counted == Node::kUncounted ? disk_size(*status) : counted, node.nameless);
}

/// As other mounts have left it.
void Overlay::count_upper() {
  std::set<ino_t> seen;
  struct Level {
    Fd directory;
    std::vector<std::string> names;
  };
  const auto level = [](Fd directory) {
    auto names = names_in(directory.get(), ".");
    return Level{std::move(directory), std::move(names)};
  };
  std::vector<Level> levels;
  levels.push_back(level(check(sys::openat(layers_.front().root->get(), ".", O_RDONLY | O_DIRECTORY))));
  while (!levels.empty()) {
    Level& top = levels.back();
    if (top.names.empty()) {
      levels.pop_back();
      continue;
    }
    const std::string name = std::move(top.names.back());
    top.names.pop_back();
    const int directory = top.directory.get();
    const auto status = check(sys::fstatat(directory, name.c_str(), AT_SYMLINK_NOFOLLOW));
    if (is_mark(directory, name, status)) continue;
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1 && !seen.insert(status.st_ino).second) continue;
    quota_.count_object(disk_size(status));
    if (!S_ISDIR(status.st_mode)) continue;
    levels.push_back(level(check(sys::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW))));
  }
}

}  // namespace sandbox::overlay
