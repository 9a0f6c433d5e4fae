#include "fuse-overlay/store/changes.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <map>

#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr int max_depth = 1000;

struct Entry {
  bool directory = false, whiteout = false;
};

bool is_opaque(int directory) {
  char value = 0;
  return ::fgetxattr(directory, "user.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/// Kernel overlayfs has two forms of whiteouts: a character device 0:0, and since Linux 6.7 an empty file with a mark.
bool is_whiteout(int directory, const char* name, const struct stat& status) {
  if (S_ISCHR(status.st_mode)) return status.st_rdev == makedev(0, 0);
  if (!S_ISREG(status.st_mode) || status.st_size != 0) return false;
  const auto file = sys::openat(directory, name, O_PATH | O_NOFOLLOW);
  if (!file) return false;
  const std::string path = fmt::format("/proc/self/fd/{}", file->get());
  return static_cast<bool>(sys::getxattr(path.c_str(), "user.overlay.whiteout", nullptr, 0, true));
}

using Entries = std::map<std::string, Entry>;

Entries read_entries(int directory) {
  Entries entries;
  for (const std::string& name : list_directory(fmt::format("/proc/self/fd/{}", directory))) {
    const struct stat status =
        sys::fstatat(directory, name.c_str(), AT_SYMLINK_NOFOLLOW) | or_throw("reading '{}' of a layer", printable(name));
    entries[name] = {S_ISDIR(status.st_mode), is_whiteout(directory, name.c_str(), status)};
  }
  return entries;
}

/// The same directory in each layer that has a part in it, top-most first.
using Parts = std::vector<Fd>;

/// What the merged lower layers show in a directory.
Entries merged_entries(const Parts& parts) {
  Entries merged;
  for (const Fd& part : parts) {
    const Entries entries = read_entries(part.get());
    merged.insert(entries.begin(), entries.end());  // what a higher layer has said stays
  }
  std::erase_if(merged, [](const auto& entry) { return entry.second.whiteout; });
  return merged;
}

/// The parts of the subdirectory `name`: down to the first layer that hides those below it.
Parts parts_of(const Parts& parents, const std::string& name) {
  Parts parts;
  for (const Fd& parent : parents) {
    auto directory = sys::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory && directory.error().value == ENOENT) continue;
    if (!directory) break;  // a file, a link or a whiteout
    parts.push_back(std::move(*directory));
    if (is_opaque(parts.back().get())) break;
  }
  return parts;
}

class Comparison {
 public:
  explicit Comparison(std::vector<Change>& changes) : changes_(changes) {}

  /// Adds what the directory `upper` changes of `lower`.
  void compare(int upper, const Parts& lower, const std::string& path, int depth) {
    if (depth > max_depth) throw InvalidInput(fmt::format("'{}' is too deep", printable(path)));
    const Entries above = read_entries(upper);
    const Entries below = merged_entries(lower);
    const std::string prefix = path.empty() ? "" : path + "/";
    for (const auto& [name, entry] : above) {
      const auto old = below.find(name);
      if (entry.whiteout) {
        if (old != below.end()) changes_.push_back({ChangeKind::deleted, prefix + name});
        continue;
      }
      changes_.push_back({old != below.end() ? ChangeKind::changed : ChangeKind::added, prefix + name});
      if (!entry.directory) continue;
      const Fd directory = sys::openat(upper, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW) |
                           or_throw("opening '{}' of a layer", printable(prefix + name));
      compare(directory.get(), old != below.end() && old->second.directory ? parts_of(lower, name) : Parts{}, prefix + name,
              depth + 1);
    }
    if (!is_opaque(upper)) return;
    for (const auto& [name, entry] : below) {
      if (!above.contains(name)) changes_.push_back({ChangeKind::deleted, prefix + name});
    }
  }

 private:
  std::vector<Change>& changes_;
};

}  // namespace

std::vector<Change> changes_of(const std::vector<std::string>& lower, const std::string& upper) {
  Parts parts;
  for (const std::string& layer : lower) {
    parts.push_back(sys::openat(AT_FDCWD, layer.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening layer '{}'", layer));
  }
  const Fd top = sys::openat(AT_FDCWD, upper.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening layer '{}'", upper);
  std::vector<Change> changes;
  Comparison(changes).compare(top.get(), parts, "", 0);
  std::ranges::sort(changes, {}, &Change::path);
  return changes;
}

}  // namespace sandbox::overlay
